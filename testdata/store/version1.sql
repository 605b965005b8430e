CREATE TABLE stepwell_schema (version BIGINT NOT NULL);
CREATE TABLE stepwell_runs (
			id TEXT NOT NULL PRIMARY KEY,
			flow TEXT NOT NULL, batch TEXT NOT NULL, batch_row BIGINT NOT NULL, state TEXT NOT NULL, kind TEXT NOT NULL, at_path TEXT NOT NULL,
			language BIGINT NOT NULL, digest TEXT NOT NULL, steps BIGINT NOT NULL, done BIGINT NOT NULL,
			created BIGINT NOT NULL, started BIGINT NOT NULL, ended BIGINT NOT NULL, wake BIGINT NOT NULL,
			inputs TEXT NOT NULL, outputs TEXT NOT NULL, failure TEXT NOT NULL, wrapped_key BLOB NOT NULL,
			owner TEXT NOT NULL, epoch BIGINT NOT NULL, lease_until BIGINT NOT NULL) WITHOUT ROWID;
CREATE INDEX stepwell_runs_batch ON stepwell_runs (batch, id);
CREATE TABLE stepwell_contents (digest TEXT NOT NULL PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE stepwell_files (
			run TEXT NOT NULL, n BIGINT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
			PRIMARY KEY (run, n)) WITHOUT ROWID;
CREATE INDEX stepwell_files_digest ON stepwell_files (digest);
CREATE TABLE stepwell_steps (
			run TEXT NOT NULL, path TEXT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, control TEXT NOT NULL, hidden TEXT NOT NULL,
			PRIMARY KEY (run, path)) WITHOUT ROWID;
CREATE TABLE stepwell_attempts (
			run TEXT NOT NULL, path TEXT NOT NULL, n BIGINT NOT NULL, started BIGINT NOT NULL, took BIGINT NOT NULL,
			sent BIGINT NOT NULL, status BIGINT NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL,
			PRIMARY KEY (run, path, n)) WITHOUT ROWID;
CREATE TABLE stepwell_points (
			run TEXT NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL, seq BIGINT NOT NULL,
			type TEXT NOT NULL, step TEXT NOT NULL, attempt BIGINT NOT NULL, source TEXT NOT NULL, at BIGINT NOT NULL,
			value TEXT NOT NULL, undone BIGINT NOT NULL,
			PRIMARY KEY (run, scope, name, seq)) WITHOUT ROWID;
INSERT INTO stepwell_schema VALUES (1);
INSERT INTO stepwell_runs VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', 'keeps', '', 0, 'succeeded', '', '', 1, '4ade7c4b3887e806028da1b29e21c3af2f10a19c40b70860aa988a295496ddb5', 4, 4, 1795281951085848470, 1795281951096683199, 1795281951097067963, 0, '{"names":["Ada","Bo"],"ready":true}', '{"lines":["hello, Ada","hello, Bo"],"number":13}', '', X'', '', 1, 0);
INSERT INTO stepwell_runs VALUES ('01a1ff24-997a-7f95-b820-c51a55979bbf', 'keeps', '', 0, 'failed', 'failed', 'check', 1, '4ade7c4b3887e806028da1b29e21c3af2f10a19c40b70860aa988a295496ddb5', 4, 2, 1795281951098973937, 1795281951103271781, 1795281951103487152, 0, '{"names":["Cy"],"ready":false}', '', '{"kind":"failed","message":"it is not ready","step":"check","place":{"File":"keeps.yaml","Line":12,"Column":5,"EndColumn":14,"Text":"  - id: check"}}', X'', '', 1, 0);
INSERT INTO stepwell_contents VALUES ('49b602ed2e86e6866597598bc8680f6091027dc2be8a6005c86f766c000a4c51', X'7374657077656c6c3a20310a6e616d653a206b656570730a696e707574733a0a20206e616d65733a207b20747970653a206c6973742c206974656d733a20737472696e67207d0a202072656164793a207b20747970653a20626f6f6c65616e2c2064656661756c743a2074727565207d0a73746570733a0a20202d2069643a2067726565740a202020207365743a207b206772656574696e673a2068656c6c6f2c206e756d6265723a2031322e35302c20616c6c3a2022247b7b20696e707574732e6e616d6573207d7d22207d0a20202d2069643a20656163680a20202020666f725f656163683a207b20696e3a20646174612e616c6c2c2061733a206e616d65207d0a202020207365743a207b206c696e653a2022247b7b20646174612e6772656574696e67207d7d2c20247b7b206e616d65207d7d22207d0a20202d2069643a20636865636b0a2020202069663a206e6f7420696e707574732e72656164790a202020206661696c3a206974206973206e6f742072656164790a20202d2069643a2061667465720a202020207365743a207b206e756d6265723a203133207d0a6f7574707574733a207b206c696e65733a2022247b7b20646174612e6c696e65207d7d222c206e756d6265723a2022247b7b20646174612e6e756d626572207d7d22207d0a');
INSERT INTO stepwell_files VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', 0, 'keeps.yaml', '49b602ed2e86e6866597598bc8680f6091027dc2be8a6005c86f766c000a4c51');
INSERT INTO stepwell_files VALUES ('01a1ff24-997a-7f95-b820-c51a55979bbf', 0, 'keeps.yaml', '49b602ed2e86e6866597598bc8680f6091027dc2be8a6005c86f766c000a4c51');
INSERT INTO stepwell_steps VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', '', 1, 1795281951097057637, '{"enter":{"s":1,"next":1},"last":{"s":3},"n":1,"started":1795281951096735447,"ended":1795281951097057637}', '!26:record{"outputs":{"lines":["hello, Ada","hello, Bo"],"number":13}}');
INSERT INTO stepwell_steps VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', 'after', 14, 1795281951097043747, '{"last":{"s":3},"n":1,"started":1795281951097041874,"ended":1795281951097043747}', '');
INSERT INTO stepwell_steps VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', 'check', 13, 1795281951097039951, '{"last":{"s":4},"started":1795281951097039951,"ended":1795281951097039951}', '');
INSERT INTO stepwell_steps VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', 'each', 6, 1795281951097010697, '{"enter":{"s":1,"count":2},"last":{"s":3},"n":2,"started":1795281951096827204,"ended":1795281951097010697}', '!26:record{"items":["Ada","Bo"],"failures":[]}');
INSERT INTO stepwell_steps VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', 'each[0]', 7, 1795281951096997117, '{"last":{"s":3},"n":1,"started":1795281951096989516,"ended":1795281951096997117}', '');
INSERT INTO stepwell_steps VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', 'each[1]', 9, 1795281951097005990, '{"last":{"s":3},"n":1,"started":1795281951097004148,"ended":1795281951097005990}', '');
INSERT INTO stepwell_steps VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', 'greet', 2, 1795281951096816207, '{"last":{"s":3},"n":1,"started":1795281951096799492,"ended":1795281951096816207}', '');
INSERT INTO stepwell_steps VALUES ('01a1ff24-997a-7f95-b820-c51a55979bbf', '', 1, 1795281951103461584, '{"enter":{"s":1,"next":1},"last":{"s":5,"kind":"failed"},"n":1,"origin":"check","started":1795281951103345461,"ended":1795281951103461584}', '');
INSERT INTO stepwell_steps VALUES ('01a1ff24-997a-7f95-b820-c51a55979bbf', 'check', 11, 1795281951103452360, '{"last":{"s":5,"kind":"failed"},"n":1,"origin":"check","started":1795281951103427162,"ended":1795281951103452360}', '!26:record{"fault":{"kind":"failed","message":"it is not ready","step":"check","place":{"File":"keeps.yaml","Line":12,"Column":5,"EndColumn":14,"Text":"  - id: check"}}}');
INSERT INTO stepwell_steps VALUES ('01a1ff24-997a-7f95-b820-c51a55979bbf', 'each', 6, 1795281951103413993, '{"enter":{"s":1,"count":1},"last":{"s":3},"n":1,"started":1795281951103376968,"ended":1795281951103413993}', '!26:record{"items":["Cy"],"failures":[]}');
INSERT INTO stepwell_steps VALUES ('01a1ff24-997a-7f95-b820-c51a55979bbf', 'each[0]', 7, 1795281951103407663, '{"last":{"s":3},"n":1,"started":1795281951103401214,"ended":1795281951103407663}', '');
INSERT INTO stepwell_steps VALUES ('01a1ff24-997a-7f95-b820-c51a55979bbf', 'greet', 2, 1795281951103366312, '{"last":{"s":3},"n":1,"started":1795281951103352691,"ended":1795281951103366312}', '');
INSERT INTO stepwell_points VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', '', 'all', 5, 'list of string', 'greet', 1, 'set', 1795281951096812462, '["Ada","Bo"]', 0);
INSERT INTO stepwell_points VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', '', 'greeting', 3, 'string', 'greet', 1, 'set', 1795281951096806212, '"hello"', 0);
INSERT INTO stepwell_points VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', '', 'line', 12, 'list', 'each', 1, 'list of 2', 1795281951097030146, '["hello, Ada","hello, Bo"]', 0);
INSERT INTO stepwell_points VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', '', 'number', 4, 'number', 'greet', 1, 'set', 1795281951096807344, '12.50', 0);
INSERT INTO stepwell_points VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', '', 'number', 15, 'number', 'after', 1, 'set', 1795281951097043376, '13', 0);
INSERT INTO stepwell_points VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', 'each[0]', 'line', 8, 'string', 'each[0]', 1, 'set', 1795281951096996536, '"hello, Ada"', 0);
INSERT INTO stepwell_points VALUES ('01a1ff24-996d-7d93-a33d-28b8bee86326', 'each[1]', 'line', 10, 'string', 'each[1]', 1, 'set', 1795281951097005610, '"hello, Bo"', 0);
INSERT INTO stepwell_points VALUES ('01a1ff24-997a-7f95-b820-c51a55979bbf', '', 'all', 5, 'list of string', 'greet', 1, 'set', 1795281951103363648, '["Cy"]', 0);
INSERT INTO stepwell_points VALUES ('01a1ff24-997a-7f95-b820-c51a55979bbf', '', 'greeting', 3, 'string', 'greet', 1, 'set', 1795281951103358290, '"hello"', 0);
INSERT INTO stepwell_points VALUES ('01a1ff24-997a-7f95-b820-c51a55979bbf', '', 'line', 10, 'list', 'each', 1, 'list of 1', 1795281951103422796, '["hello, Cy"]', 0);
INSERT INTO stepwell_points VALUES ('01a1ff24-997a-7f95-b820-c51a55979bbf', '', 'number', 4, 'number', 'greet', 1, 'set', 1795281951103359461, '12.50', 0);
INSERT INTO stepwell_points VALUES ('01a1ff24-997a-7f95-b820-c51a55979bbf', 'each[0]', 'line', 8, 'string', 'each[0]', 1, 'set', 1795281951103407223, '"hello, Cy"', 0);

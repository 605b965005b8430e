package sqlstore

import (
	"context"

	"github.com/stepwell/stepwell/datapoints"
)

var _ datapoints.TokenCache = (*Store)(nil)

const (
	tokenColumns = "name, generation, credential, run, rejected, obtained, soft, until, expires, secret, wrapped_key"
	selectTokens = "SELECT " + tokenColumns + " FROM stepwell_tokens ORDER BY name"
	selectToken  = "SELECT " + tokenColumns + " FROM stepwell_tokens WHERE name = ?"
	insertToken  = "INSERT INTO stepwell_tokens (" + tokenColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

// Token gives the entry under a key.
func (s *Store) Token(ctx context.Context, key string) (datapoints.TokenEntry, error) {
	list, err := s.tokens(ctx, selectToken, key)
	if err == nil && len(list) == 0 {
		err = datapoints.ErrNoToken
	}
	if len(list) == 0 {
		return datapoints.TokenEntry{}, err
	}
	return list[0], err
}

// Tokens gives all entries.
func (s *Store) Tokens(ctx context.Context) ([]datapoints.TokenEntry, error) {
	return s.tokens(ctx, selectTokens)
}

// tokens reads entries. One that is damaged comes without Secret, beside the error.
func (s *Store) tokens(ctx context.Context, text string, args ...any) ([]datapoints.TokenEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var list []datapoints.TokenEntry
	var damaged error
	err := s.snapshot(ctx, []string{text}, func(q *reader) error {
		list, damaged = nil, nil
		return q.each(text, args, func(scan scanner) error {
			var e datapoints.TokenEntry
			var obtained, soft, until, expires, rejected int64
			var secret string
			err := scan(&e.Key, &e.Generation, &e.Name, &e.Run, &rejected, &obtained, &soft, &until, &expires, &secret, &e.Wrapped)
			if err != nil {
				return err
			}
			e.Rejected = rejected != 0
			e.Obtained, e.Soft, e.Until, e.Expires = instant(obtained), instant(soft), instant(until), instant(expires)
			if e.Secret, err = decodeValue(secret); err != nil {
				damaged = err
			}
			list = append(list, e)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return list, damaged
}

// PutToken replaces the entry of the generation before.
func (s *Store) PutToken(ctx context.Context, e datapoints.TokenEntry) error {
	wrapped := append([]byte{}, e.Wrapped...)
	rejected := 0
	if e.Rejected {
		rejected = 1
	}
	args := []any{e.Key, e.Generation, e.Name, e.Run, rejected, nanos(e.Obtained), nanos(e.Soft), nanos(e.Until), nanos(e.Expires), encodeValue(e.Secret), wrapped}
	return s.submit(ctx, 1, func(t *session) error {
		var there int64
		if _, err := t.row("SELECT generation FROM stepwell_tokens WHERE name = ?"+t.d.lock, []any{e.Key}, &there); err != nil {
			return err
		}
		if there != e.Generation-1 {
			return refusal{datapoints.ErrTokenChanged}
		}
		if err := t.exec("DELETE FROM stepwell_tokens WHERE name = ?", e.Key); err != nil {
			return err
		}
		return t.exec(insertToken, args...)
	})
}

// DeleteToken removes an entry, also from the disk.
func (s *Store) DeleteToken(ctx context.Context, key string) error {
	err := s.submit(ctx, 1, func(t *session) error { return t.exec("DELETE FROM stepwell_tokens WHERE name = ?", key) })
	if err == nil {
		s.emptyLog(ctx)
	}
	return err
}

package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/stepwell/stepwell/datapoints"
)

var _ datapoints.Rekeyer = (*Store)(nil)

// Rekey replaces the wrapped keys of runs, all or none.
func (s *Store) Rekey(ctx context.Context, changes ...datapoints.KeyChange) (n int, err error) {
	if err := ctx.Err(); err != nil || len(changes) == 0 {
		return 0, err
	}
	err = s.submit(ctx, len(changes), func(t *session) error {
		n = 0
		for _, c := range changes {
			done, err := t.count("UPDATE stepwell_runs SET wrapped_key = ? WHERE id = ? AND wrapped_key = ?", append([]byte{}, c.New...), c.Run, append([]byte{}, c.Old...))
			if err != nil {
				return err
			}
			n += done
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Check reads the whole database and says what of it is damaged, at most 20
// things, in the database's own words. It knows nothing of what is in the tables:
// values that do not open are whole for it. An error says that it could not look.
func (s *Store) Check(ctx context.Context) ([]string, error) {
	problems := []string{}
	if s.d.check == "" {
		return problems, nil
	}
	err := s.snapshot(ctx, []string{s.d.check}, func(q *reader) error {
		return q.each(s.d.check, nil, func(scan scanner) error {
			var text string
			if err := scan(&text); err != nil || text == "ok" {
				return err
			}
			problems = append(problems, text)
			return nil
		})
	})
	return problems, err
}

// ErrInUse is what Scrub fails with while others keep it from its work.
var ErrInUse = errors.New("another process is using the database: remains of what was removed are still in its files")

// Scrub makes that nothing of what was deleted or replaced is left in the files,
// also not in the log: it writes the database anew, which takes a time that grows
// with its size. Without it some may be, although SQLite overwrites what it
// deletes: when it spreads rows over pages it leaves copies behind. What a disk
// keeps of blocks that a file had is not in its power. If others use the database
// for too long the error is ErrInUse.
func (s *Store) Scrub(ctx context.Context) error {
	if s.d.afterDelete == "" {
		return nil
	}
	if _, err := s.db.ExecContext(ctx, s.d.rewrite); err != nil {
		if s.d.busy(err) {
			return ErrInUse
		}
		return fmt.Errorf("the database cannot be written anew: %w", s.d.explain(err))
	}
	var busy, log, moved int
	if err := s.db.QueryRowContext(ctx, s.d.afterDelete).Scan(&busy, &log, &moved); err != nil {
		return fmt.Errorf("the log cannot be emptied: %w", s.d.explain(err))
	}
	if busy != 0 {
		return ErrInUse
	}
	return nil
}

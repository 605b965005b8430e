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

// ErrRead is what Truncate fails with while somebody reads.
var ErrRead = errors.New("another process is reading the database: its log still holds what was removed")

// Truncate makes that what was deleted or replaced is gone from the files, also
// from the log, as far as files go: what a disk keeps of the blocks that they
// had is not in its power. Methods that delete do it by themselves, but say
// nothing if others who read keep them from it; the error is ErrRead then.
func (s *Store) Truncate(ctx context.Context) error {
	if s.d.afterDelete == "" {
		return nil
	}
	var busy, log, moved int
	if err := s.db.QueryRowContext(ctx, s.d.afterDelete).Scan(&busy, &log, &moved); err != nil {
		return fmt.Errorf("the log cannot be emptied: %w", s.d.explain(err))
	}
	if busy != 0 {
		return ErrRead
	}
	return nil
}

package datapoints_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/stepwell/stepwell/datapoints"
)

// A vault stands for the client of a key management service: the key never
// leaves the service, which is asked over a network and may be out of reach.
type vault struct {
	name string
	key  byte
	down bool
}

var errUnavailable = errors.New("the key service does not answer")

// ID is the address of the key. A service that makes new versions of a key and
// still decrypts with the old ones keeps its ID.
func (v *vault) ID() string { return "vault:" + v.name }

func (v *vault) Wrap(ctx context.Context, key []byte) ([]byte, error) {
	if v.down {
		return nil, errUnavailable // neither ErrKey nor ErrCorrupt: trying again later may help
	}
	return v.call(ctx, append([]byte("run key:"), key...))
}

func (v *vault) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	if v.down {
		return nil, errUnavailable
	}
	plain, err := v.call(ctx, wrapped)
	if err != nil {
		return nil, err
	}
	key, ok := bytes.CutPrefix(plain, []byte("run key:"))
	if !ok {
		return nil, datapoints.ErrCorrupt // what the service answers to something that it did not wrap
	}
	return key, nil
}

// call would be a request; this one encrypts and decrypts for the example only.
func (v *vault) call(ctx context.Context, text []byte) ([]byte, error) {
	out := bytes.Clone(text)
	for i := range out {
		out[i] ^= v.key
	}
	return out, ctx.Err()
}

// A key management service takes the place of a key in a file: what was sealed
// before is wrapped anew, and opened with both until that is done.
func ExampleKeyWrapper() {
	ctx := context.Background()
	var memory datapoints.Memory
	file := datapoints.NewMasterKey()
	_ = datapoints.Seal(&memory, file).Create(ctx, datapoints.Run{ID: "r1", Inputs: datapoints.JSON(`{"a":1}`)})

	service := &vault{name: "eu/runs", key: 0x5a}
	keys := datapoints.Keys{Master: service, Older: []datapoints.KeyWrapper{file}}
	done, err := datapoints.Rewrap(ctx, &memory, keys)
	fmt.Println(done.Done, err)

	store := datapoints.Seal(&memory, service)
	run, err := store.Load(ctx, "r1")
	fmt.Println(run.Inputs, err)

	service.down = true
	_, err = store.Load(ctx, "r1")
	fmt.Println(err, errors.Is(err, datapoints.ErrKey), errors.Is(err, datapoints.ErrCorrupt))
	// Output:
	// 1 <nil>
	// {"a":1} <nil>
	// run r1, its key: the key service does not answer false false
}

package datapoints

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
)

// An envelope is
//
//	version (1 byte, 1) · length of the key's id (1 byte) · the key's id · sealed
//
// For a run's or a token's key the id is the KeyWrapper's and sealed what Wrap
// gave; if a half of the key is kept apart the version is 2, and before sealed
// are the length of the half's mark (1 byte) and the mark. For a
// value the id is that of the run's key, and sealed is the nonce (12 bytes), the
// ciphertext and the tag (16 bytes) of AES-256-GCM. A value's envelope is kept
// as a JSON string of unpadded base64, and its plaintext is
//
//	class (1 byte) · length of the label (unsigned varint) · label · JSON text
//
// The associated data of a value is where it belongs, as a list of texts, each
// after its length: moved to another place it cannot be opened.
const envelopeVersion = 1

// halvedVersion is the version of a key of which a half is kept apart.
const halvedVersion = 2

// wrapped is a key as it is kept.
type wrapped struct {
	id   string // of the KeyWrapper
	mark []byte // of the half that is kept apart; nil: none
	key  []byte // what Wrap gave
}

func (w wrapped) bytes() []byte {
	e := make([]byte, 0, 3+len(w.id)+len(w.mark)+len(w.key))
	e = append(e, envelopeVersion, byte(len(w.id)))
	e = append(e, w.id...)
	if w.mark != nil {
		e[0] = halvedVersion
		e = append(e, byte(len(w.mark)))
		e = append(e, w.mark...)
	}
	return append(e, w.key...)
}

func openWrapped(e []byte) (w wrapped, err error) {
	if len(e) > 0 && e[0] == halvedVersion {
		if len(e) < 2 || len(e) < 3+int(e[1]) {
			return w, ErrCorrupt
		}
		w.id = string(e[2 : 2+e[1]])
		rest := e[2+int(e[1]):]
		if len(rest) < 1+int(rest[0]) {
			return w, ErrCorrupt
		}
		w.mark, w.key = rest[1:1+rest[0]], rest[1+int(rest[0]):]
		return w, nil
	}
	w.id, w.key, err = openEnvelope(e)
	return w, err
}

func openEnvelope(e []byte) (keyID string, sealed []byte, err error) {
	if len(e) < 2 || len(e) < 2+int(e[1]) {
		return "", nil, ErrCorrupt
	}
	if e[0] != envelopeVersion {
		return "", nil, fmt.Errorf("%w: it begins with format version %d, this program knows version %d", ErrCorrupt, e[0], envelopeVersion)
	}
	return string(e[2 : 2+e[1]]), e[2+int(e[1]):], nil
}

// A runKey seals the values of one run.
type runKey struct {
	id   string
	aead cipher.AEAD
}

func newRunKey(key []byte) (*runKey, error) {
	a, err := newAEAD(key)
	if err != nil {
		return nil, ErrCorrupt
	}
	sum := sha256.Sum256(append([]byte("stepwell run key\x00"), key...))
	return &runKey{string(sum[:4]), a}, nil
}

// seal seals a value for a place. The zero Value stays as it is.
func (k *runKey) seal(v Value, place ...string) Value {
	if v.IsZero() {
		return v
	}
	label, text := v.Label(), v.Reveal()
	plain := make([]byte, 0, 1+binary.MaxVarintLen64+len(label)+len(text))
	plain = append(plain, byte(v.Class()))
	plain = binary.AppendUvarint(plain, uint64(len(label)))
	plain = append(plain, label...)
	plain = append(plain, text...)
	e := make([]byte, 0, 2+len(k.id)+len(plain)+k.aead.Overhead())
	e = append(e, envelopeVersion, byte(len(k.id)))
	e = append(e, k.id...)
	e = k.aead.Seal(e, nil, plain, associated(place))
	b := make([]byte, base64.RawStdEncoding.EncodedLen(len(e))+2)
	b[0], b[len(b)-1] = '"', '"'
	base64.RawStdEncoding.Encode(b[1:], e)
	return JSON(string(b))
}

// open opens what seal sealed for the same place. The error is ErrCorrupt.
func (k *runKey) open(v Value, place ...string) (Value, error) {
	if v.IsZero() {
		return v, nil
	}
	text := v.Reveal()
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return Value{}, fmt.Errorf("%w: it is not sealed", ErrCorrupt)
	}
	e, err := base64.RawStdEncoding.Strict().DecodeString(text[1 : len(text)-1])
	if err != nil {
		return Value{}, fmt.Errorf("%w: it is not sealed", ErrCorrupt)
	}
	id, sealed, err := openEnvelope(e)
	if err != nil {
		return Value{}, err
	}
	if id != k.id {
		return Value{}, fmt.Errorf("%w: it was sealed with another run's key", ErrCorrupt)
	}
	plain, err := k.aead.Open(nil, nil, sealed, associated(place))
	if err != nil {
		return Value{}, ErrCorrupt
	}
	return decode(plain)
}

func decode(plain []byte) (Value, error) {
	if len(plain) < 2 {
		return Value{}, ErrCorrupt
	}
	class := Class(plain[0])
	n, size := binary.Uvarint(plain[1:])
	rest := plain[1:]
	if size <= 0 || n > uint64(len(rest)-size) {
		return Value{}, ErrCorrupt
	}
	label, text := rest[size:size+int(n)], rest[size+int(n):]
	return JSON(string(text)).Mark(class, string(label)), nil
}

func associated(place []string) []byte {
	n := 0
	for _, p := range place {
		n += binary.MaxVarintLen64 + len(p)
	}
	b := make([]byte, 0, n)
	for _, p := range place {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}

// damaged says which value cannot be opened.
func damaged(run string, err error, place ...string) error {
	return fmt.Errorf("run %s, %s: %w", run, strings.Join(place, " "), err)
}

package datapoints

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// A KeyWrapper wraps the keys of runs and tokens with a key of its own, which
// never leaves it: a MasterKey, or a key management service. Its methods may be
// called concurrently. Making a run calls Wrap once, reading one calls Unwrap,
// also for each run of a list; runs that are worked on are unwrapped once. An
// error that is neither ErrKey nor ErrCorrupt, such as that of a service which is
// out of reach, is passed on as it is.
type KeyWrapper interface {
	// ID names the key, in at most 255 bytes; it is no secret. What was
	// wrapped under another ID is not given to Unwrap.
	ID() string
	// Wrap encrypts and authenticates a run's key.
	Wrap(ctx context.Context, key []byte) ([]byte, error)
	// Unwrap undoes Wrap. The error is ErrKey if it was wrapped with another
	// key, and ErrCorrupt if it is damaged (test with errors.Is).
	Unwrap(ctx context.Context, wrapped []byte) ([]byte, error)
}

// A MasterKey is a KeyWrapper: a key of 256 bits in memory, which wraps with
// AES-256-GCM. It prints as its ID. The zero MasterKey cannot be used.
type MasterKey struct {
	key *string // 32 bytes. Package fmt prints unexported fields, but does not follow this
}

var _ KeyWrapper = MasterKey{}

// NewMasterKey makes a random key.
func NewMasterKey() MasterKey {
	var k [32]byte
	_, _ = rand.Read(k[:]) // never fails
	return masterKey(k[:])
}

// ParseMasterKey reads a key as Encode writes it: 32 bytes in base64 (either
// alphabet, with or without padding) or as 64 hexadecimal digits. White space
// around it is ignored. The error never shows the text.
func ParseMasterKey(text string) (MasterKey, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return MasterKey{}, errors.New("the key is empty: 32 bytes in base64 or 64 hexadecimal digits are needed")
	}
	var key []byte
	var err error
	if len(text) == 64 {
		key, err = hex.DecodeString(text)
	} else {
		standard := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
		key, err = base64.RawStdEncoding.Strict().DecodeString(standard)
	}
	if err != nil {
		return MasterKey{}, fmt.Errorf("the key cannot be read: 32 bytes in base64 (44 characters) or 64 hexadecimal digits are needed, this is %d characters of something else", len(text))
	}
	if len(key) != 32 {
		return MasterKey{}, fmt.Errorf("the key has %d bytes, 32 are needed", len(key))
	}
	return masterKey(key), nil
}

func masterKey(key []byte) MasterKey {
	s := string(key)
	return MasterKey{&s}
}

// Encode gives the key in base64, for a key file. This is the secret itself.
func (k MasterKey) Encode() string {
	if k.key == nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(*k.key))
}

// ID names the key without telling anything of it: 16 hexadecimal digits.
func (k MasterKey) ID() string {
	if k.key == nil {
		return ""
	}
	sum := sha256.Sum256([]byte("stepwell master key\x00" + *k.key))
	return hex.EncodeToString(sum[:8])
}

// Wrap encrypts a run's key.
func (k MasterKey) Wrap(_ context.Context, key []byte) ([]byte, error) {
	a, err := k.aead()
	if err != nil {
		return nil, err
	}
	return a.Seal(nil, nil, key, []byte("stepwell run key")), nil
}

// Unwrap decrypts a run's key.
func (k MasterKey) Unwrap(_ context.Context, wrapped []byte) ([]byte, error) {
	a, err := k.aead()
	if err != nil {
		return nil, err
	}
	key, err := a.Open(nil, nil, wrapped, []byte("stepwell run key"))
	if err != nil {
		return nil, ErrCorrupt
	}
	return key, nil
}

func (k MasterKey) aead() (cipher.AEAD, error) {
	if k.key == nil {
		return nil, errors.New("there is no master key")
	}
	return newAEAD([]byte(*k.key))
}

// newAEAD gives AES-256-GCM with a random nonce before each text.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// String gives "[key ID]".
func (k MasterKey) String() string { return "[key " + k.ID() + "]" }

// GoString gives what String gives.
func (k MasterKey) GoString() string { return k.String() }

// Format prints what String gives, for every verb.
func (k MasterKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText gives what String gives.
func (k MasterKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// LogValue gives what String gives.
func (k MasterKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

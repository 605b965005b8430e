package record

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// Tick is what the ids of two times must differ by to sort as those do: 1/4096 ms.
const Tick = 245 * time.Nanosecond

// NewID makes a UUIDv7 (RFC 9562 §5.7), with the time below a millisecond in
// rand_a, so that ids sort by time.
func NewID(now time.Time) (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	ms := now.UnixMilli()
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	fraction := now.Nanosecond() % 1_000_000 * 4096 / 1_000_000
	b[6], b[7] = byte(fraction>>8), byte(fraction)
	return UUID(b, 7), nil
}

// UUID is the text of a UUID of a version (RFC 9562 §4).
func UUID(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Seed is a random text, for uuid() and for names.
func Seed() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return hex.EncodeToString(b[:])
}

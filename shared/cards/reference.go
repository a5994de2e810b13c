package cards

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"slices"
	"strings"
)

const (
	purposeReference       = "card/v1/reference"
	purposeReferenceSerial = "card/v1/reference-serial"

	referenceMark     = 'R' // tells a reference from what else a State may hold
	referenceTagBytes = 10
	referenceTagChars = referenceTagBytes * 8 / 5

	// ReferenceChars is the length of a reference; a State of WeCom's has room
	// for 30.
	ReferenceChars = 2 + serialChars + referenceTagChars
)

// letters writes whole fives of bytes in the letters of codes.
var letters = base32.NewEncoding(Alphabet).WithPadding(base32.NoPadding)

// Reference names a card that was redeemed to somebody outside (渠道标识), such
// as the State of a WeCom contact: 25 letters with 80 bits of signature. It is
// no code: nothing can be redeemed with it, and it shares no letter with the
// code, so whoever reads it learns nothing of that. It refuses a Code that no
// key of the ring can sign.
func (k *Keyring) Reference(code Code) (string, error) {
	root := slices.Index(k.ids, code.KeyID)
	if root < 0 || code.Batch < 0 || code.Batch >= MaxBatches || code.Card < 0 || code.Card >= MaxCount {
		return "", ErrNotFound
	}
	hidden := k.referenceSerials(root).forward(uint64(code.Serial())) // #nosec G115 -- 35 bits
	reference := []byte{referenceMark, code.KeyID}
	for i := range serialChars {
		reference = append(reference, Alphabet[hidden>>(5*(serialChars-1-i))&31])
	}
	return string(reference) + k.referenceTag(root, code), nil
}

// ParseReference reads a reference exactly as Reference wrote it. Everything
// else is ErrNotFound; a nil error says that a key of the ring signed it.
func (k *Keyring) ParseReference(text string) (Code, error) {
	if len(text) != ReferenceChars || text[0] != referenceMark {
		return Code{}, ErrNotFound
	}
	root := slices.Index(k.ids, text[1])
	if root < 0 {
		return Code{}, ErrNotFound
	}
	var hidden uint64
	for _, letter := range []byte(text[2 : 2+serialChars]) {
		value := strings.IndexByte(Alphabet, letter)
		if value < 0 {
			return Code{}, ErrNotFound
		}
		hidden = hidden<<5 | uint64(value) // #nosec G115 -- 0 to 31
	}
	serial := k.referenceSerials(root).backward(hidden)
	code := Code{
		KeyID: k.ids[root],
		Batch: int(serial >> cardBits),      // #nosec G115 -- 15 bits
		Card:  int(serial & (MaxCount - 1)), // #nosec G115 -- 20 bits
	}
	if subtle.ConstantTimeCompare([]byte(text[2+serialChars:]), []byte(k.referenceTag(root, code))) != 1 {
		return Code{}, ErrNotFound
	}
	return code, nil
}

func (k *Keyring) referenceSerials(root int) *permutation {
	return newPermutation(derive(k.prks[root], purposeReferenceSerial, 0, 16), 1<<serialBits)
}

func (k *Keyring) referenceTag(root int, code Code) string {
	mac := hmac.New(sha256.New, derive(k.prks[root], purposeReference, code.Batch, sha256.Size))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(code.Serial()))) // #nosec G115 -- 35 bits
	return letters.EncodeToString(mac.Sum(nil)[:referenceTagBytes])
}

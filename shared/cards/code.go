// Package cards is the rules of package cards (包裹卡): what a code says, how
// it is signed and read, which prize and which arm a card has, and what state
// a batch may be in.
//
// A card that nobody has redeemed is nowhere: its code is signed, and its
// prize is a function of its number, its batch and the batch's key. See
// infra/docs/adr/0004-virtual-cards.md.
package cards

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
)

const (
	batchBits  = 15
	cardBits   = 20
	serialBits = batchBits + cardBits

	serialChars   = 7  // 35 bits
	tagChars      = 26 // 130 bits, ASVS 11.5.1
	typedTagChars = 8  // 40 bits; the throttles on failures carry the rest

	tokenChars = 1 + serialChars + tagChars
	typedChars = serialChars + typedTagChars + 1
)

const (
	// MaxBatches is how many batches one root key can sign; a batch's number
	// is 0 to MaxBatches-1.
	MaxBatches = 1 << batchBits
	// MaxCount is how many cards a batch can have.
	MaxCount = 1 << cardBits
)

// ErrNotFound is the one answer for every code that cannot be redeemed:
// unknown, mistyped, foreign, forged, of a batch that is not active, too
// early, expired or frozen. They are told apart nowhere, so that nobody learns
// which codes exist.
var ErrNotFound error = loyalty.Refuse(loyalty.KindNotFound, "card_not_found",
	"No card with this code can be redeemed now. Check the code on your card, or ask the brand.")

// Code names one printed card (卡号): the root key that signed it, the batch's
// number and the card's place in the batch, from 0.
type Code struct {
	KeyID byte // a letter of Alphabet
	Batch int
	Card  int
}

// BatchID is the id of the batch that the code belongs to.
func (c Code) BatchID() string { return BatchID(c.KeyID, c.Batch) }

// Serial is the card's number within all batches of its root key.
func (c Code) Serial() int64 { return int64(c.Batch)<<cardBits | int64(c.Card) }

// BatchID is the id of the batch with the number under the root key. It is a
// function of what every code carries, so that a code finds its batch in one
// read.
func BatchID(keyID byte, number int) string { return fmt.Sprintf("%c-%05d", keyID, number) }

// RootKey signs batches. Its Secret never leaves the brand's account; a
// printing house (印厂) is given finished codes.
type RootKey struct {
	ID     byte // one letter of Alphabet, printed as the first of every QR token
	Secret [32]byte
}

// Keyring holds the root keys whose codes are still accepted. It is safe for
// concurrent use.
type Keyring struct {
	ids  []byte
	prks [][]byte
}

// NewKeyring makes a Keyring. The first key is the one that new batches are
// signed with. It refuses an empty list, an id outside Alphabet and an id
// given twice.
func NewKeyring(roots ...RootKey) (*Keyring, error) {
	if len(roots) == 0 {
		return nil, errors.New("cards: no root key")
	}
	ring := &Keyring{}
	for _, root := range roots {
		if strings.IndexByte(Alphabet, root.ID) < 0 {
			return nil, errors.New("cards: a root key's id is one letter of the code alphabet")
		}
		if slices.Contains(ring.ids, root.ID) {
			return nil, errors.New("cards: two root keys with one id")
		}
		prk, err := hkdf.Extract(sha256.New, root.Secret[:], nil)
		if err != nil {
			return nil, fmt.Errorf("cards: root key: %w", err)
		}
		ring.ids = append(ring.ids, root.ID)
		ring.prks = append(ring.prks, prk)
	}
	return ring, nil
}

// SigningKeyID is the root key for new batches.
func (k *Keyring) SigningKeyID() byte { return k.ids[0] }

// Signs tells whether the root key of the id is in the ring.
func (k *Keyring) Signs(keyID string) bool {
	return len(keyID) == 1 && slices.Contains(k.ids, keyID[0])
}

// derive makes a key for one purpose, and for one batch where the purpose is
// the batch's.
func derive(prk []byte, purpose string, batch, length int) []byte {
	info := make([]byte, 0, 32)
	info = append(info, byte(len(purpose)))
	info = append(info, purpose...)
	info = binary.BigEndian.AppendUint16(info, uint16(batch)) // #nosec G115 -- 15 bits
	key, err := hkdf.Expand(sha256.New, prk, string(info), length)
	if err != nil {
		panic("cards: " + err.Error()) // only for a length beyond 255 hashes
	}
	return key
}

const (
	purposeSerial = "card/v1/serial"
	purposeTag    = "card/v1/tag"
	purposeDraw   = "card/v1/draw"
)

// Codec writes and reads codes. It keeps buffers and the key of the batch it
// saw last, so it reads a code without allocating and serves one goroutine at
// a time; making one costs a few microseconds.
type Codec struct {
	ring    *Keyring
	serials []*permutation // by position in the ring

	root, batch int // whose tag key is loaded
	mac         hash.Hash

	message [40]byte
	sum     [sha256.Size]byte
	want    [tagChars]byte
	letters [tokenChars]byte
}

// Codec makes a Codec over the ring.
func (k *Keyring) Codec() *Codec {
	codec := &Codec{ring: k, root: -1}
	for _, prk := range k.prks {
		codec.serials = append(codec.serials, newPermutation(derive(prk, purposeSerial, 0, 16), 1<<serialBits))
	}
	return codec
}

// Token is the code in a QR (二维码): 34 letters with 130 bits of signature.
// It refuses a Code that no key of the ring can sign.
func (c *Codec) Token(code Code) (string, error) {
	if err := c.sign(code); err != nil {
		return "", err
	}
	return string(c.letters[:]), nil
}

// Typed is the code as a person types it: 16 letters in four groups, of which
// 8 are signature and the last is a check letter.
func (c *Codec) Typed(code Code) (string, error) {
	if err := c.sign(code); err != nil {
		return "", err
	}
	return c.typed(), nil
}

// Both is Token and Typed for the price of one signature.
func (c *Codec) Both(code Code) (token, typed string, err error) {
	if err := c.sign(code); err != nil {
		return "", "", err
	}
	return string(c.letters[:]), c.typed(), nil
}

// sign leaves the token in c.letters.
func (c *Codec) sign(code Code) error {
	root, err := c.rootOf(code)
	if err != nil {
		return err
	}
	c.letters[0] = code.KeyID
	c.putSerial(c.letters[1:], root, code)
	c.tag(root, code)
	for i, value := range c.want {
		c.letters[1+serialChars+i] = Alphabet[value]
	}
	return nil
}

// typed makes the typed form of the token in c.letters: what stands between
// the key's id and the rest of the tag, and a check letter.
func (c *Codec) typed() string {
	var values [typedChars]byte
	for i, letter := range c.letters[1:typedChars] {
		values[i] = letterValues[letter]
	}
	values[typedChars-1] = checkValue(values[:typedChars-1])
	var grouped [typedChars + 3]byte
	for i, value := range values {
		grouped[i+i/4] = Alphabet[value]
	}
	for i := 4; i < len(grouped); i += 5 {
		grouped[i] = '-'
	}
	return string(grouped[:])
}

// Parse reads a code as it came from a URL or a keyboard, in either form, and
// verifies its signature: O reads as 0, I and L as 1, case, spaces, hyphens and
// full-width letters do not matter. Everything else is ErrNotFound, whatever
// the reason; a nil error says that the code was signed with a key of the
// ring, not that its batch is active or that it has so many cards.
func (c *Codec) Parse(raw string) (Code, error) {
	var values [tokenChars]byte
	switch length := normalise(raw, &values); length {
	case tokenChars:
		root := slices.Index(c.ring.ids, Alphabet[values[0]])
		if root < 0 {
			return Code{}, ErrNotFound
		}
		code := c.takeSerial(values[1:], root)
		if !c.verify(root, code, values[1+serialChars:]) {
			return Code{}, ErrNotFound
		}
		return code, nil
	case typedChars:
		if checkValue(values[:typedChars-1]) != values[typedChars-1] {
			return Code{}, ErrNotFound
		}
		// The typed form has no room for the key's id; few keys are live.
		for root := range c.ring.ids {
			code := c.takeSerial(values[:], root)
			if c.verify(root, code, values[serialChars:serialChars+typedTagChars]) {
				return code, nil
			}
		}
	}
	return Code{}, ErrNotFound
}

func (c *Codec) rootOf(code Code) (int, error) {
	root := slices.Index(c.ring.ids, code.KeyID)
	if root < 0 || code.Batch < 0 || code.Batch >= MaxBatches || code.Card < 0 || code.Card >= MaxCount {
		return 0, ErrNotFound
	}
	return root, nil
}

// putSerial writes the serial in seven letters, permuted so that neighbours in
// a batch do not look like neighbours.
func (c *Codec) putSerial(letters []byte, root int, code Code) {
	hidden := c.serials[root].forward(uint64(code.Serial())) // #nosec G115 -- 35 bits
	for i := range serialChars {
		letters[i] = Alphabet[hidden>>(5*(serialChars-1-i))&31]
	}
}

func (c *Codec) takeSerial(values []byte, root int) Code {
	var hidden uint64
	for _, value := range values[:serialChars] {
		hidden = hidden<<5 | uint64(value)
	}
	serial := c.serials[root].backward(hidden)
	return Code{
		KeyID: c.ring.ids[root],
		Batch: int(serial >> cardBits),      // #nosec G115 -- 15 bits
		Card:  int(serial & (MaxCount - 1)), // #nosec G115 -- 20 bits
	}
}

// verify compares in constant time; got holds 5-bit values, all of the tag or
// its beginning.
func (c *Codec) verify(root int, code Code, got []byte) bool {
	c.tag(root, code)
	return subtle.ConstantTimeCompare(c.want[:len(got)], got) == 1
}

// tag leaves the code's tag in c.want, one 5-bit value a byte.
func (c *Codec) tag(root int, code Code) {
	if c.root != root || c.batch != code.Batch {
		c.mac = hmac.New(sha256.New, derive(c.ring.prks[root], purposeTag, code.Batch, sha256.Size))
		c.root, c.batch = root, code.Batch
	}
	// Length-prefixed, so that no two inputs read as one.
	message := append(c.message[:0], byte(len(purposeTag)))
	message = append(message, purposeTag...)
	message = append(message, 2)
	message = binary.BigEndian.AppendUint16(message, uint16(code.Batch)) // #nosec G115 -- 15 bits
	message = append(message, 8)
	message = binary.BigEndian.AppendUint64(message, uint64(code.Serial())) // #nosec G115 -- 35 bits
	c.mac.Reset()
	c.mac.Write(message)
	sum := c.mac.Sum(c.sum[:0])

	var window uint64
	var held, next int
	for i := range c.want {
		for held < 5 {
			window = window<<8 | uint64(sum[next])
			held, next = held+8, next+1
		}
		held -= 5
		c.want[i] = byte(window >> held & 31)
	}
}

// URL is what a card's QR holds. Upper-case letters fit a QR's alphanumeric
// mode, which makes the symbol a size smaller; scheme and host do not mind,
// and the path has a route of its own. publicURL has no path.
func URL(publicURL, token string) string {
	return strings.ToUpper(strings.TrimRight(publicURL, "/")) + "/C/" + token
}

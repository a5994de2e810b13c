// Package wecom reads what WeCom (企业微信) calls back: it proves that a
// callback comes from the platform, decrypts it and reads the event in it. The
// scheme is the platform's documents 90968 and 91144.
package wecom

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1" // WeCom's signature; the choice is not ours
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
)

const (
	keyBytes = 32
	// maxPadding is the scheme's block of PKCS#7, which is not AES's own 16.
	maxPadding  = 32
	randomBytes = 16 // before the length
	lengthBytes = 4
)

// App is where callbacks of one application are received (接收消息服务器).
// Several may be live while its token and key are being changed.
type App struct {
	receiver string
	token    string
	key      [keyBytes]byte
}

// NewApp takes the three values as the platform's console shows them. The
// receiver is the CorpID (企业ID) for an application of the brand's own and the
// SuiteID for one of somebody else's. Its errors quote none of them.
func NewApp(receiver, token, encodingAESKey string) (App, error) {
	app := App{receiver: receiver, token: token}
	key, err := base64.StdEncoding.DecodeString(encodingAESKey + "=")
	if err != nil || len(key) != keyBytes || len(encodingAESKey) != 43 {
		return App{}, errors.New("wecom: an EncodingAESKey has 43 letters and digits")
	}
	if receiver == "" || token == "" {
		return App{}, errors.New("wecom: a callback needs its receiver's id and its token")
	}
	copy(app.key[:], key)
	return app, nil
}

// Signature is what stands in the query of a callback.
type Signature struct {
	MsgSignature string // msg_signature
	Timestamp    string
	Nonce        string
}

// ErrUnproved is the one answer to every callback that does not prove its
// origin: a wrong signature, a text that does not decrypt, one that is for
// somebody else. They are told apart nowhere, or the padding would tell of the
// key.
var ErrUnproved error = loyalty.Refuse(loyalty.KindUnauthenticated, "bad_signature", "the callback carries no signature that verifies")

// Open proves an encrypted text by one of the apps and decrypts it:
//
//	msg_signature = sha1hex(join(sort(token, timestamp, nonce, encrypted)))
//	encrypted     = base64(AES-256-CBC(16 random bytes, length, text, receiver))
//
// The signature covers the time, which the caller holds against its clock. It
// fails with ErrUnproved alone.
func Open(apps []App, signature Signature, encrypted string) ([]byte, error) {
	for _, app := range apps {
		if !app.signed(signature, encrypted) {
			continue
		}
		if text, ok := app.decrypt(encrypted); ok {
			return text, nil
		}
	}
	return nil, ErrUnproved
}

func (a App) signed(signature Signature, encrypted string) bool {
	parts := []string{a.token, signature.Timestamp, signature.Nonce, encrypted}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	want := hex.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(want), []byte(signature.MsgSignature)) == 1
}

// decrypt tells nothing of why it failed.
func (a App) decrypt(encrypted string) ([]byte, bool) {
	sealed, err := base64.StdEncoding.DecodeString(encrypted)
	if err != nil || len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, false
	}
	block, err := aes.NewCipher(a.key[:])
	if err != nil {
		return nil, false
	}
	cipher.NewCBCDecrypter(block, a.key[:aes.BlockSize]).CryptBlocks(sealed, sealed)
	plain, ok := unpad(sealed)
	if !ok || len(plain) < randomBytes+lengthBytes {
		return nil, false
	}
	rest := plain[randomBytes+lengthBytes:]
	length := binary.BigEndian.Uint32(plain[randomBytes:])
	if uint64(length) > uint64(len(rest)) {
		return nil, false
	}
	text, receiver := rest[:length], rest[length:]
	return text, subtle.ConstantTimeCompare(receiver, []byte(a.receiver)) == 1
}

// unpad takes 1 to 32 bytes off that all say how many they are.
func unpad(plain []byte) ([]byte, bool) {
	padding := plain[len(plain)-1]
	if padding < 1 || padding > maxPadding || int(padding) > len(plain) {
		return nil, false
	}
	cut := len(plain) - int(padding)
	for _, b := range plain[cut:] {
		if b != padding {
			return nil, false
		}
	}
	return plain[:cut], true
}

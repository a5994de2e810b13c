package cards

import (
	"encoding/base64"
	"errors"

	"github.com/huitou/huitou/shared/strictjson"
)

// ReadKeyring reads the root keys as they are kept with a brand's secrets:
//
//	[{"id":"K","secret":"<32 random bytes in base64>"}]
//
// The first signs new batches. Its errors quote nothing of the document.
func ReadKeyring(document []byte) (*Keyring, error) {
	var written []struct {
		ID     string `json:"id"`
		Secret []byte `json:"secret"`
	}
	if err := strictjson.Exact(document, &written); err != nil {
		return nil, errors.New(`cards: the card keys are [{"id":"K","secret":"<32 random bytes in base64>"}]`)
	}
	roots := make([]RootKey, len(written))
	for i, key := range written {
		if len(key.ID) != 1 || len(key.Secret) != len(roots[i].Secret) {
			return nil, errors.New("cards: a card key has an id of one letter and a secret of 32 bytes in base64")
		}
		roots[i].ID = key.ID[0]
		copy(roots[i].Secret[:], key.Secret)
	}
	return NewKeyring(roots...)
}

// WriteKeyring writes what ReadKeyring reads.
func WriteKeyring(roots ...RootKey) string {
	document := "["
	for i, root := range roots {
		if i > 0 {
			document += ","
		}
		document += `{"id":"` + string(root.ID) + `","secret":"` + base64.StdEncoding.EncodeToString(root.Secret[:]) + `"}`
	}
	return document + "]"
}

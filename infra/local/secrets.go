package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/token"
)

// secrets are what a brand keeps in the Parameter Store, here in a file that
// its owner alone can read.
type secrets struct {
	PhoneKey      []byte          `json:"phone_key"`
	TokenKey      []byte          `json:"token_key"`
	CardKeys      json.RawMessage `json:"card_keys"`
	OperatorToken string          `json:"operator_token"`
	WebhookSecret string          `json:"webhook_secret"`
}

// openSecrets reads the folder's secrets, or draws them at the first start.
// A secret that the configuration fixes takes the place of the one that was
// drawn.
func openSecrets(c config) (secrets, error) {
	path := filepath.Join(c.folder, "secrets.json")
	raw, err := os.ReadFile(path)
	var s secrets
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if s, err = drawSecrets(); err != nil {
			return s, err
		}
		if err := writeSecrets(path, s); err != nil {
			return s, err
		}
	case err != nil:
		return s, err
	default:
		if err := json.Unmarshal(raw, &s); err != nil {
			return s, fmt.Errorf("%s is not what this program wrote; move the folder away to start anew", path)
		}
	}
	if c.operatorToken != "" {
		s.OperatorToken = c.operatorToken
	}
	if c.webhookSecret != "" {
		s.WebhookSecret = c.webhookSecret
	}
	return s, nil
}

func drawSecrets() (secrets, error) {
	bits := make([]byte, 32*4)
	if _, err := rand.Read(bits); err != nil {
		return secrets{}, err
	}
	root := cards.RootKey{ID: 'K', Secret: [32]byte(bits[64:96])}
	operatorToken, err := token.NewOperatorToken(rand.Reader)
	return secrets{
		PhoneKey: bits[:32], TokenKey: bits[32:64], CardKeys: json.RawMessage(cards.WriteKeyring(root)),
		OperatorToken: operatorToken, WebhookSecret: "whsec_" + base64.StdEncoding.EncodeToString(bits[96:]),
	}, err
}

// writeSecrets makes the file whole or not at all: half a file would lock the
// brand out of its own cards.
func writeSecrets(path string, s secrets) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.Write(raw); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

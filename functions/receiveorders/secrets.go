package receiveorders

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/huitou/huitou/shared/orders/youzan"
)

// ReadSecrets reads the secrets as they are kept with the brand's:
//
//	{"webhook":["whsec_…"],"youzan":[{"client_id":"…","client_secret":"…"}]}
//
// A channel that is left out refuses every event. The errors quote nothing of
// the document.
func ReadSecrets(document []byte) (Secrets, error) {
	var written struct {
		Webhook []string `json:"webhook"`
		Youzan  []struct {
			ClientID     string `json:"client_id"`
			ClientSecret string `json:"client_secret"`
		} `json:"youzan"`
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&written); err != nil {
		return Secrets{}, errors.New(`receiveorders: the secrets are {"webhook":["whsec_…"],"youzan":[{"client_id":"…","client_secret":"…"}]}`)
	}
	secrets := Secrets{Webhook: written.Webhook}
	for _, app := range written.Youzan {
		secrets.Youzan = append(secrets.Youzan, youzan.App{ClientID: app.ClientID, ClientSecret: app.ClientSecret})
	}
	return secrets, nil
}

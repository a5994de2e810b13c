package receiveorders

import (
	"errors"

	"github.com/huitou/huitou/shared/orders/youzan"
	"github.com/huitou/huitou/shared/strictjson"
	"github.com/huitou/huitou/shared/wecom"
)

// ReadSecrets reads the secrets as they are kept with the brand's:
//
//	{"webhook":["whsec_…"],"youzan":[{"client_id":"…","client_secret":"…"}],
//	 "wecom":[{"receive_id":"ww…","token":"…","encoding_aes_key":"…"}]}
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
		WeCom []struct {
			ReceiveID      string `json:"receive_id"`
			Token          string `json:"token"`
			EncodingAESKey string `json:"encoding_aes_key"`
		} `json:"wecom"`
	}
	if err := strictjson.Exact(document, &written); err != nil {
		return Secrets{}, errors.New(`receiveorders: the secrets are {"webhook":["whsec_…"],"youzan":[{"client_id":"…","client_secret":"…"}],"wecom":[{"receive_id":"ww…","token":"…","encoding_aes_key":"…"}]}`)
	}
	secrets := Secrets{Webhook: written.Webhook}
	for _, app := range written.Youzan {
		secrets.Youzan = append(secrets.Youzan, youzan.App{ClientID: app.ClientID, ClientSecret: app.ClientSecret})
	}
	for _, callback := range written.WeCom {
		app, err := wecom.NewApp(callback.ReceiveID, callback.Token, callback.EncodingAESKey)
		if err != nil {
			return Secrets{}, err
		}
		secrets.WeCom = append(secrets.WeCom, app)
	}
	return secrets, nil
}

package artifact

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/orders/youzan"
	"github.com/huitou/huitou/shared/token"
	"github.com/huitou/huitou/shared/wecom/wecomtest"
)

// Secrets are a brand's, drawn anew.
type Secrets struct {
	PhoneKey, TokenKey  []byte
	Cards               cards.RootKey
	Webhook, Sender     string // "whsec_…"
	Admin               string // an operator's token
	Youzan              youzan.App
	WeCom               wecomtest.Receiver // of callbacks
	senderURL, cardKeys string
}

// DrawSecrets draws them; messages and calls of WeCom go to the sender's URL.
func DrawSecrets(senderURL string) (Secrets, error) {
	bits := make([]byte, 5*32)
	if _, err := rand.Read(bits); err != nil {
		return Secrets{}, err
	}
	admin, err := token.NewOperatorToken(rand.Reader)
	s := Secrets{
		PhoneKey: bits[:32], TokenKey: bits[32:64], Cards: cards.RootKey{ID: 'K', Secret: [32]byte(bits[64:96])},
		Webhook: "whsec_" + base64.StdEncoding.EncodeToString(bits[96:128]),
		Sender:  "whsec_" + base64.StdEncoding.EncodeToString(bits[128:]),
		Admin:   admin, Youzan: youzan.App{ClientID: "abcdef0123456789ab", ClientSecret: "smoke"}, senderURL: senderURL,
		WeCom: wecomtest.Receiver{ID: "ww1234567890abcdef", Token: "smoke", EncodingAESKey: base64.RawStdEncoding.EncodeToString(bits[:32])},
	}
	s.cardKeys = cards.WriteKeyring(s.Cards)
	return s, err
}

// Parameters are the secrets as the Parameter Store keeps them, by the names
// that the template gives them in a stack called "local".
func (s Secrets) Parameters() map[string]string {
	return map[string]string{
		"/local/phone-key":   base64.StdEncoding.EncodeToString(s.PhoneKey),
		"/local/token-key":   base64.StdEncoding.EncodeToString(s.TokenKey),
		"/local/card-key":    s.cardKeys,
		"/local/admin-token": s.Admin,
		"/local/webhook-secrets": document(map[string]any{
			"webhook": []string{s.Webhook},
			"youzan":  []map[string]string{{"client_id": s.Youzan.ClientID, "client_secret": s.Youzan.ClientSecret}},
			"wecom":   []map[string]string{{"receive_id": s.WeCom.ID, "token": s.WeCom.Token, "encoding_aes_key": s.WeCom.EncodingAESKey}},
		}),
		"/local/wecom":  document(map[string]any{"corp_id": s.WeCom.ID, "secret": "smoke", "api": s.senderURL}),
		"/local/sender": document(map[string]any{"url": s.senderURL, "secrets": []string{s.Sender}}),
		"/local/payer":  document(map[string]any{"url": s.senderURL + "/payouts", "secrets": []string{s.Sender}}),
	}
}

func document(body any) string {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings only
	}
	return string(text)
}

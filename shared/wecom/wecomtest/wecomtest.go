// Package wecomtest makes callbacks as WeCom makes them, for tests and for
// trying the hook by hand. It is written from the platform's documents and
// shares no line with shared/wecom, so that one tests the other.
package wecomtest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1" // WeCom's signature; the choice is not ours
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"net/url"
	"sort"
	"time"
)

// Receiver is an application's settings as the platform's console shows them.
type Receiver struct {
	ID             string // CorpID
	Token          string
	EncodingAESKey string // 43 letters and digits
}

// Demo is a made-up application, by which the process of `make run` can be
// called back without an account.
var Demo = Receiver{ID: "ww0000000000000000", Token: "demo-token", EncodingAESKey: "huitouhuitouhuitouhuitouhuitouhuitouhuitou0"}

// Encrypt seals a text under 16 bytes that the platform draws. It panics when
// the key is none.
func (r Receiver) Encrypt(random [16]byte, text []byte) string {
	plain := bytes.NewBuffer(random[:])
	_ = binary.Write(plain, binary.BigEndian, uint32(len(text))) // a buffer takes everything; #nosec G115
	plain.Write(text)
	plain.WriteString(r.ID)
	missing := 32 - plain.Len()%32
	plain.Write(bytes.Repeat([]byte{byte(missing)}, missing)) // #nosec G115 -- 1 to 32
	return r.Seal(plain.Bytes())
}

// Seal encrypts bytes as they are, to make texts that the platform does not.
func (r Receiver) Seal(plain []byte) string {
	key, err := base64.StdEncoding.DecodeString(r.EncodingAESKey + "=")
	if err != nil {
		panic(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	sealed := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, key[:16]).CryptBlocks(sealed, plain)
	return base64.StdEncoding.EncodeToString(sealed)
}

// Sign is the msg_signature of an encrypted text.
func (r Receiver) Sign(timestamp, nonce, encrypted string) string {
	parts := []string{r.Token, timestamp, nonce, encrypted}
	sort.Strings(parts)
	sum := sha1.New()
	for _, part := range parts {
		sum.Write([]byte(part))
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// Callback is an event as it is posted: query and body.
func (r Receiver) Callback(at time.Time, nonce string, text []byte) (url.Values, []byte) {
	encrypted := r.Encrypt([16]byte([]byte("0123456789abcdef")), text)
	body := fmt.Sprintf("<xml><ToUserName><![CDATA[%s]]></ToUserName><Encrypt><![CDATA[%s]]></Encrypt><AgentID><![CDATA[]]></AgentID></xml>", r.ID, encrypted)
	return r.query(at, nonce, encrypted), []byte(body)
}

// Echo is the query by which the platform checks an address.
func (r Receiver) Echo(at time.Time, nonce string, text []byte) url.Values {
	encrypted := r.Encrypt([16]byte([]byte("0123456789abcdef")), text)
	query := r.query(at, nonce, encrypted)
	query.Set("echostr", encrypted)
	return query
}

func (r Receiver) query(at time.Time, nonce, encrypted string) url.Values {
	timestamp := fmt.Sprint(at.Unix())
	return url.Values{"msg_signature": {r.Sign(timestamp, nonce, encrypted)}, "timestamp": {timestamp}, "nonce": {nonce}}
}

// Friend is an event about a friendship.
type Friend struct {
	Change      string // ChangeType: "add_external_contact"
	User        string
	External    string
	State       string
	WelcomeCode string
	At          time.Time
}

// XML is the event's text for a brand's own application.
func (f Friend) XML(receiver string) []byte {
	var out bytes.Buffer
	element := func(name, value string) {
		out.WriteString("<" + name + ">")
		_ = xml.EscapeText(&out, []byte(value)) // a buffer takes everything
		out.WriteString("</" + name + ">")
	}
	out.WriteString("<xml>")
	element("ToUserName", receiver)
	element("FromUserName", "sys")
	element("CreateTime", fmt.Sprint(f.At.Unix()))
	element("MsgType", "event")
	element("Event", "change_external_contact")
	element("ChangeType", f.Change)
	element("UserID", f.User)
	element("ExternalUserID", f.External)
	if f.State != "" {
		element("State", f.State)
	}
	if f.WelcomeCode != "" {
		element("WelcomeCode", f.WelcomeCode)
	}
	out.WriteString("</xml>")
	return out.Bytes()
}

package wecom_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/wecom"
	"github.com/huitou/huitou/shared/wecom/wecomtest"
)

// sender is ours; the platform's own vectors follow below.
var (
	sender = wecomtest.Receiver{ID: "ww1234567890abcdef", Token: "token-of-a-test", EncodingAESKey: strings.Repeat("a1B2", 10) + "c3D"}
	now    = time.Unix(1795233600, 0).UTC()
)

func app(t testing.TB, receiver wecomtest.Receiver) wecom.App {
	t.Helper()
	made, err := wecom.NewApp(receiver.ID, receiver.Token, receiver.EncodingAESKey)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func signature(query url.Values) wecom.Signature {
	return wecom.Signature{MsgSignature: query.Get("msg_signature"), Timestamp: query.Get("timestamp"), Nonce: query.Get("nonce")}
}

// unproved fails unless the error is the one that tells nothing.
func unproved(t testing.TB, name string, text []byte, err error) {
	t.Helper()
	if text != nil || err == nil || err.Error() != wecom.ErrUnproved.Error() || loyalty.KindOf(err) != loyalty.KindUnauthenticated {
		t.Errorf("%s: %q, %v; want %v", name, text, err, wecom.ErrUnproved)
	}
}

// TestPlatformVectors holds the scheme to the example of the platform's
// document 90307.
func TestPlatformVectors(t *testing.T) {
	receiver := wecomtest.Receiver{ID: "wx5823bf96d3bd56c7", Token: "QDG6eK", EncodingAESKey: "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"}
	apps := []wecom.App{app(t, receiver)}
	const echo = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
	text, err := wecom.Open(apps, wecom.Signature{
		MsgSignature: "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3", Timestamp: "1409659589", Nonce: "263014780",
	}, echo)
	if err != nil || string(text) != "1616140317555161061" {
		t.Errorf("the address check: %q, %v", text, err)
	}
	const body = "<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName><Encrypt><![CDATA[" +
		"RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q==" +
		"]]></Encrypt><AgentID><![CDATA[218]]></AgentID></xml>"
	encrypted, err := wecom.ReadEncrypted([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err = wecom.Open(apps, wecom.Signature{
		MsgSignature: "477715d11cdb4164915debcba66cb864d751f3e6", Timestamp: "1409659813", Nonce: "1372623149",
	}, encrypted)
	if err != nil || !strings.Contains(string(text), "<Content><![CDATA[hello]]></Content>") {
		t.Fatalf("the message: %q, %v", text, err)
	}
	if event, err := wecom.ReadEvent(text); err != nil || event != (wecom.Event{Type: "text"}) {
		t.Errorf("the message read as an event: %+v, %v", event, err)
	}
}

func TestEveryLengthDecrypts(t *testing.T) {
	apps := []wecom.App{app(t, sender)}
	message := bytes.Repeat([]byte("消息"), 1+10_000/6)
	for length := range 10_000 {
		encrypted := sender.Encrypt([16]byte{byte(length)}, message[:length])
		text, err := wecom.Open(apps, wecom.Signature{MsgSignature: sender.Sign("1", "n", encrypted), Timestamp: "1", Nonce: "n"}, encrypted)
		if err != nil || !bytes.Equal(text, message[:length]) {
			t.Fatalf("%d bytes: %d came out, %v", length, len(text), err)
		}
	}
}

func TestSecretsRotate(t *testing.T) {
	old := wecomtest.Receiver{ID: sender.ID, Token: "old", EncodingAESKey: strings.Repeat("Z", 43)}
	both := []wecom.App{app(t, sender), app(t, old)}
	for _, receiver := range []wecomtest.Receiver{sender, old} {
		query := receiver.Echo(now, "n", []byte("7"))
		if text, err := wecom.Open(both, signature(query), query.Get("echostr")); err != nil || string(text) != "7" {
			t.Errorf("%q, %v", text, err)
		}
	}
	query := old.Echo(now, "n", []byte("7"))
	text, err := wecom.Open(both[:1], signature(query), query.Get("echostr"))
	unproved(t, "a retired secret", text, err)
	text, err = wecom.Open(nil, signature(query), query.Get("echostr"))
	unproved(t, "no app", text, err)
}

// plain is a text before its encryption, with a length and a padding of choice.
func plain(length uint32, text, receiver string, padding []byte) []byte {
	out := []byte("0123456789abcdef")
	out = binary.BigEndian.AppendUint32(out, length)
	out = append(out, text...)
	out = append(out, receiver...)
	return append(out, padding...)
}

// TestRefusedAlike signs texts that are wrong inside: all are answered as a
// wrong signature is.
func TestRefusedAlike(t *testing.T) {
	apps := []wecom.App{app(t, sender)}
	pad := func(b byte, times int) []byte { return bytes.Repeat([]byte{b}, times) }
	// 16 random, 4 length, 10 text, 18 receiver: 48 bytes, 16 are missing.
	const text = "ten bytes."
	good := plain(10, text, sender.ID, pad(16, 16))
	if got, err := openSealed(apps, good); err != nil || string(got) != text {
		t.Fatalf("the pattern of the others: %q, %v", got, err)
	}
	whole := plain(26, text+"and more to pad.", sender.ID, nil) // 64 bytes
	for name, sealed := range map[string][]byte{
		"padding 0":            plain(10, text, sender.ID, pad(0, 16)),
		"padding 33":           plain(10, text, sender.ID, pad(33, 48)),
		"padding 255":          plain(10, text, sender.ID, pad(255, 16)),
		"padding of two minds": append(plain(10, text, sender.ID, pad(15, 15)), 16),
		"no padding":           whole,
		"all padding":          pad(32, 32),
		"padding and a few":    append(pad(1, 19), pad(13, 13)...),
		"length 0":             plain(0, text, sender.ID, pad(16, 16)),
		"length one less":      plain(9, text, sender.ID, pad(16, 16)),
		"length one more":      plain(11, text, sender.ID, pad(16, 16)),
		"length over the end":  plain(29, text, sender.ID, pad(16, 16)),
		"length huge":          plain(1<<32-1, text, sender.ID, pad(16, 16)),
		"length negative":      plain(1<<31, text, sender.ID, pad(16, 16)),
		"another's":            plain(10, text, "ww1234567890abcdee", pad(16, 16)),
		"nobody's":             plain(28, text+sender.ID, "", pad(16, 16)),
		"ours and a letter":    plain(9, text[:9], sender.ID+"x", pad(16, 16)),
	} {
		got, err := openSealed(apps, sealed)
		unproved(t, name, got, err)
	}
	for name, encrypted := range map[string]string{
		"empty": "", "not base64": "!", "15 bytes": strings.Repeat("A", 20), "17 bytes": strings.Repeat("A", 23) + "=", "garbage": strings.Repeat("A", 64*4/3+2) + "==",
	} {
		got, err := wecom.Open(apps, wecom.Signature{MsgSignature: sender.Sign("1", "n", encrypted), Timestamp: "1", Nonce: "n"}, encrypted)
		unproved(t, name, got, err)
	}
}

// openSealed encrypts bytes, signs them and opens what came of it.
func openSealed(apps []wecom.App, plain []byte) ([]byte, error) {
	encrypted := sender.Seal(plain)
	return wecom.Open(apps, wecom.Signature{MsgSignature: sender.Sign("1795233600", "n", encrypted), Timestamp: "1795233600", Nonce: "n"}, encrypted)
}

// TestOneBit flips each bit of what is signed, and of the signature.
func TestOneBit(t *testing.T) {
	apps := []wecom.App{app(t, sender)}
	query := sender.Echo(now, "nonce", []byte("12345"))
	values := []string{query.Get("msg_signature"), query.Get("timestamp"), query.Get("nonce"), query.Get("echostr")}
	open := func(v []string) ([]byte, error) {
		return wecom.Open(apps, wecom.Signature{MsgSignature: v[0], Timestamp: v[1], Nonce: v[2]}, v[3])
	}
	if text, err := open(values); err != nil || string(text) != "12345" {
		t.Fatal(text, err)
	}
	for which, value := range values {
		for bit := range len(value) * 8 {
			changed := []byte(value)
			changed[bit/8] ^= 1 << (bit % 8)
			altered := append([]string{}, values...)
			altered[which] = string(changed)
			text, err := open(altered)
			unproved(t, fmt.Sprintf("bit %d of value %d", bit, which), text, err)
		}
	}
	for _, missing := range []string{"", strings.ToUpper(values[0]), values[0] + "0", values[0][:39]} {
		text, err := open([]string{missing, values[1], values[2], values[3]})
		unproved(t, "signature "+missing, text, err)
	}
}

func TestNewApp(t *testing.T) {
	for name, settings := range map[string][3]string{
		"no receiver": {"", "t", sender.EncodingAESKey},
		"no token":    {"ww", "", sender.EncodingAESKey},
		"no key":      {"ww", "t", ""},
		"a short key": {"ww", "t", sender.EncodingAESKey[1:]},
		"a long key":  {"ww", "t", sender.EncodingAESKey + "A"},
		"no base64":   {"ww", "t", strings.Repeat("*", 43)},
		"a line end":  {"ww", "t", sender.EncodingAESKey[1:] + "\n"},
	} {
		_, err := wecom.NewApp(settings[0], settings[1], settings[2])
		if err == nil || settings[2] != "" && strings.Contains(err.Error(), settings[2]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadEvent(t *testing.T) {
	friend := wecomtest.Friend{
		Change: wecom.ChangeAdd, User: "zhangsan", External: "woAJ2GCAAAXtWyujaWJHDDGi0mACAAAA",
		State: "CK0123456&<", WelcomeCode: "CALLBACK_CODE-_=", At: now,
	}
	want := wecom.Event{
		Type: wecom.TypeExternalContact, At: now, Change: friend.Change, User: friend.User, External: friend.External,
		State: friend.State, WelcomeCode: friend.WelcomeCode,
	}
	got, err := wecom.ReadEvent(friend.XML(sender.ID))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the brand's own form (-want +got):\n%s", diff)
	}
	fixture, err := os.ReadFile(filepath.Join("testdata", "del_follow_user.suite.xml"))
	if err != nil {
		t.Fatal(err)
	}
	want = wecom.Event{Type: wecom.TypeExternalContact, At: time.Unix(1795233660, 0).UTC(), Change: wecom.ChangeDeleteFollow, User: "lisi", External: "wmXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"}
	if got, err = wecom.ReadEvent(fixture); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("somebody else's form (-want +got):\n%s", diff)
	}
}

func TestOtherEventsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		`<xml><Event>change_contact</Event><Items><Item><Name>a</Name></Item><Item><Name>b</Name></Item></Items></xml>`: "change_contact",
		`<xml><MsgType>text</MsgType><Content>hello</Content></xml>`:                                                    "text",
		`<xml><InfoType>suite_ticket</InfoType></xml>`:                                                                  "suite_ticket",
		`<xml></xml>`: "",
		"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<xml>\n<Event>subscribe</Event>\n</xml>\n": "subscribe",
	} {
		if event, err := wecom.ReadEvent([]byte(text)); err != nil || event != (wecom.Event{Type: want}) {
			t.Errorf("%s: %+v, %v", text, event, err)
		}
	}
	// A change of a friend that makes no friendship needs no two ids.
	event, err := wecom.ReadEvent([]byte(`<xml><Event>change_external_contact</Event><CreateTime>1</CreateTime><ChangeType>transfer_fail</ChangeType></xml>`))
	if err != nil || event.Change != "transfer_fail" {
		t.Errorf("%+v, %v", event, err)
	}
}

func TestReadEventRefuses(t *testing.T) {
	good := string(wecomtest.Friend{Change: wecom.ChangeAdd, User: "u", External: "e", At: now}.XML(sender.ID))
	laughs := `<!DOCTYPE xml [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]>`
	for name, text := range map[string]string{
		"empty": "", "no XML": "hello", "JSON": `{"a":1}`, "another root": strings.ReplaceAll(good, "xml>", "html>"),
		"DTD":            laughs + good,
		"entity":         strings.Replace(good, ">u<", ">&b;<", 1),
		"billion laughs": laughs + strings.Replace(good, ">u<", ">&b;<", 1),
		"XXE":            `<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + strings.Replace(good, ">u<", ">&a;<", 1),
		"comment":        strings.Replace(good, ">u<", "><!-- -->u<", 1),
		"instruction":    strings.Replace(good, "<UserID>", "<?php ?><UserID>", 1),
		"attribute":      strings.Replace(good, "<UserID>", `<UserID a="b">`, 1),
		"namespace":      strings.Replace(strings.Replace(good, "<UserID>", "<a:UserID>", 1), "</UserID>", "</a:UserID>", 1),
		"two roots":      good + good,
		"trailing text":  good + "x",
		"text beside":    strings.Replace(good, "<UserID>", "x<UserID>", 1),
		"a name twice":   strings.Replace(good, "<UserID>", "<UserID>v</UserID><UserID>", 1),
		"unclosed":       good[:len(good)-3],
		"too deep":       strings.Replace(good, ">u<", ">"+strings.Repeat("<a>", 16)+strings.Repeat("</a>", 16)+"<", 1),
		"far too deep":   strings.Repeat("<xml>", 100_000),
		"NUL":            strings.Replace(good, ">u<", ">\x00<", 1),
		"not UTF-8":      strings.Replace(good, ">u<", ">\xff<", 1),
		"GBK":            `<?xml version="1.0" encoding="gbk"?>` + good,
		"BOM":            "\ufeff" + good,
		"no time":        strings.Replace(good, "1795233600", "", 1),
		"a time of +5":   strings.Replace(good, "1795233600", "+5", 1),
		"a negative one": strings.Replace(good, "1795233600", "-5", 1),
		"1970":           strings.Replace(good, "1795233600", "0", 1),
		"the year 9999":  strings.Replace(good, "1795233600", "253402300799", 1),
		"nobody":         strings.Replace(good, ">u<", "><", 1),
		"a blank id":     strings.Replace(good, ">e<", "> e<", 1),
		"a long id":      strings.Replace(good, ">e<", ">"+strings.Repeat("e", 129)+"<", 1),
		"a line end":     strings.Replace(good, ">e<", ">e&#10;f<", 1),
	} {
		event, err := wecom.ReadEvent([]byte(text))
		if loyalty.KindOf(err) != loyalty.KindInvalid || event != (wecom.Event{}) {
			t.Errorf("%s: %+v, %v", name, event, err)
		}
		if err != nil && strings.Contains(err.Error(), "passwd") {
			t.Errorf("%s: %v quotes the text", name, err)
		}
	}
	// A field that is not needed is not worth losing the event for.
	odd := wecomtest.Friend{Change: wecom.ChangeAdd, User: "u", External: "e", State: strings.Repeat("s", 65), WelcomeCode: "a b", At: now}
	if event, err := wecom.ReadEvent(odd.XML(sender.ID)); err != nil || event.State != "" || event.WelcomeCode != "" || event.User != "u" {
		t.Errorf("%+v, %v", event, err)
	}
	for _, body := range []string{"", "<xml></xml>", "<xml><Encrypt></Encrypt></xml>", laughs + "<xml><Encrypt>a</Encrypt></xml>", "<xml><Encrypt>a</Encrypt><Encrypt>b</Encrypt></xml>"} {
		encrypted, err := wecom.ReadEncrypted([]byte(body))
		if encrypted != "" || err != wecom.ErrUnproved { //nolint:errorlint // the very one
			t.Errorf("%q: %q, %v", body, encrypted, err)
		}
	}
}

// TestSharedFeeds reads the platform's samples where they are at hand.
func TestSharedFeeds(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "shared", "feeds", "wecom")
	raw, err := os.ReadFile(filepath.Join(folder, "CRYPT_VECTORS.json"))
	if err != nil {
		t.Logf("shared/feeds absent: %v; the public vectors were not read", err)
		return
	}
	var vectors []struct {
		Kind, Token, Timestamp, Nonce, Encrypt, URL, Body, Plaintext string
		EncodingAESKey                                               string `json:"encoding_aes_key"`
		MsgSignature                                                 string `json:"msg_signature"`
		ReceiveID                                                    string `json:"receive_id"`
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		signed := wecom.Signature{MsgSignature: v.MsgSignature, Timestamp: v.Timestamp, Nonce: v.Nonce}
		if v.Kind == "message" {
			address, err := url.Parse(v.URL)
			if err != nil {
				t.Fatal(err)
			}
			signed = signature(address.Query())
			if v.Encrypt, err = wecom.ReadEncrypted([]byte(v.Body)); err != nil {
				t.Fatal(err)
			}
			v.ReceiveID = regexp.MustCompile(`ww[0-9a-f]{16}`).FindString(v.Body)
		}
		text, err := wecom.Open([]wecom.App{app(t, wecomtest.Receiver{ID: v.ReceiveID, Token: v.Token, EncodingAESKey: v.EncodingAESKey})}, signed, v.Encrypt)
		if err != nil || string(text) != v.Plaintext {
			t.Errorf("%s: %q, %v; want %q", v.Kind, text, err, v.Plaintext)
		}
	}
	samples, err := filepath.Glob(filepath.Join(folder, "*.xml"))
	if err != nil || len(vectors) == 0 || len(samples) == 0 {
		t.Fatalf("%d vectors, %d samples, %v", len(vectors), len(samples), err)
	}
	for _, sample := range samples {
		text, err := os.ReadFile(sample)
		if err != nil {
			t.Fatal(err)
		}
		// A file's byte order mark is its editor's, not the platform's.
		event, err := wecom.ReadEvent(bytes.TrimPrefix(text, []byte("\ufeff")))
		if err != nil || event.Type != wecom.TypeExternalContact || event.User != "zhangsan" || event.At.Unix() != 1403610513 {
			t.Errorf("%s: %+v, %v", filepath.Base(sample), event, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	query := sender.Echo(now, "n", []byte("text"))
	f.Add([]byte("0123456789abcdef\x00\x00\x00\x04text"+sender.ID), query.Get("echostr"), query.Get("msg_signature"))
	f.Add(bytes.Repeat([]byte{32}, 32), "", "")
	apps := []wecom.App{app(f, sender)}
	f.Fuzz(func(t *testing.T, plain []byte, encrypted, signed string) {
		// Nobody without the token gets anything in …
		if text, err := wecom.Open(apps, wecom.Signature{MsgSignature: signed, Timestamp: query.Get("timestamp"), Nonce: "n"}, encrypted); err == nil && encrypted != query.Get("echostr") {
			t.Errorf("%q is taken for %q", encrypted, text)
		}
		// … and with it no text makes it fail, or name another receiver.
		plain = plain[:len(plain)/16*16]
		text, err := openSealed(apps, plain)
		if err != nil && err.Error() != wecom.ErrUnproved.Error() {
			t.Errorf("%v", err)
		}
		if err == nil && !bytes.Contains(plain, append(bytes.Clone(text), sender.ID...)) {
			t.Errorf("%q came out of %q", text, plain)
		}
	})
}

func FuzzReadEvent(f *testing.F) {
	f.Add(wecomtest.Friend{Change: wecom.ChangeAdd, User: "u", External: "e", State: "s", WelcomeCode: "c", At: now}.XML(sender.ID))
	f.Add([]byte("<xml><Event>a</Event><List><Item>1</Item></List></xml>"))
	f.Add([]byte(`<!DOCTYPE xml [<!ENTITY a "lol">]><xml>&a;</xml>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		event, err := wecom.ReadEvent(text)
		if err != nil {
			if event != (wecom.Event{}) || loyalty.KindOf(err) != loyalty.KindInvalid {
				t.Errorf("%+v, %v", event, err)
			}
			return
		}
		if event.Change == wecom.ChangeAdd && (event.User == "" || event.External == "" || event.At.IsZero() || len(event.State) > 64) {
			t.Errorf("%+v", event)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	apps := []wecom.App{app(b, sender)}
	query, body := sender.Callback(now, "n", wecomtest.Friend{Change: wecom.ChangeAdd, User: "u", External: "e", At: now}.XML(sender.ID))
	b.ReportAllocs()
	for b.Loop() {
		encrypted, err := wecom.ReadEncrypted(body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := wecom.Open(apps, signature(query), encrypted); err != nil {
			b.Fatal(err)
		}
	}
}

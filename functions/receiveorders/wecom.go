package receiveorders

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/gateway"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/wecom"
)

// WeComPath is the route of WeCom's callbacks (企业微信接收事件服务器).
const WeComPath = "/hooks/wecom"

// receiveWeCom answers the platform's check of the address, which is a GET, and
// its events. The platform gives up after 5 s and tries three times.
func (f Function) receiveWeCom(w http.ResponseWriter, r *http.Request) {
	var answer []byte
	var err error
	switch r.Method {
	case http.MethodGet:
		answer, err = f.checkAddress(r)
	case http.MethodPost:
		err = f.acceptWeCom(r)
	default:
		w.Header().Set("Allow", "GET, POST")
		err = loyalty.Refuse(loyalty.KindNotAllowed, "method_not_allowed", "WeCom checks an address with GET and posts events to it")
	}
	if err != nil {
		f.refuse(w, r, "wecom", err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// A platform that does not hear of it sends the event again.
	_, _ = w.Write(answer)
}

// checkAddress gives back the text that the platform sealed, as it is.
func (f Function) checkAddress(r *http.Request) ([]byte, error) {
	query, err := single(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	return f.openWeCom(query, query["echostr"])
}

// acceptWeCom takes a callback from its raw body to the queue.
func (f Function) acceptWeCom(r *http.Request) error {
	query, err := single(r.URL.RawQuery)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	encrypted, err := wecom.ReadEncrypted(body)
	if err != nil {
		return err
	}
	text, err := f.openWeCom(query, encrypted)
	if err != nil {
		return err
	}
	event, err := wecom.ReadEvent(text)
	if err == nil && event.At.Unix() > f.RealClock().Unix()+tolerance {
		err = loyalty.Invalid("/CreateTime", "in_the_future", "the event is of a time that has not come")
	}
	if loyalty.KindOf(err) == loyalty.KindInvalid && err != nil {
		return f.keep(r, "wecom", "callback", pushed{kept: keptCallback(text)}, err)
	}
	if err != nil {
		return err
	}
	change, isFriendship := changes[event.Change]
	if event.Type != wecom.TypeExternalContact || !isFriendship {
		kind := event.Type + " " + event.Change
		f.Log.InfoContext(r.Context(), "callback without a friend", "channel", "wecom", "kind", kind[:min(len(kind), 64)], "request", gateway.RequestID(r.Context()))
		return nil
	}
	queued := friend.Event{
		Change: change, At: event.At, User: event.User, External: event.External, State: event.State, WelcomeCode: event.WelcomeCode,
	}.Encode()
	if err := f.send(r.Context(), f.Friends, queued); err != nil {
		return err
	}
	f.Log.InfoContext(r.Context(), "friend event accepted", "channel", "wecom", "kind", event.Change, "request", gateway.RequestID(r.Context()))
	return nil
}

// keptCallback is what is kept for a person of a callback that cannot be read: the
// texts that are read of one, as far as they are there.
func keptCallback(text []byte) func() (refused.Input, error) {
	return func() (refused.Input, error) {
		input := refused.Input{Source: "wecom", Form: refused.WeCom, Content: "{}"}
		fields := wecom.Texts(text)
		for name, value := range fields {
			if isPhone(value) {
				delete(fields, name)
			}
		}
		content, err := json.Marshal(fields)
		if err != nil {
			return input, err
		}
		if external := fields["ExternalUserID"]; external != "" {
			input.Names = []loyalty.Identity{{Kind: loyalty.IdentityWeCom, Channel: "wecom", Value: external}}
		}
		input.Content = string(content)
		return input, nil
	}
}

// changes are the platform's words for what makes or ends a friendship.
var changes = map[string]friend.Change{
	wecom.ChangeAdd: friend.Added, wecom.ChangeAddHalf: friend.Added,
	wecom.ChangeDelete: friend.Dropped, wecom.ChangeDeleteFollow: friend.Removed,
}

// openWeCom proves an encrypted text and that it was signed just now.
func (f Function) openWeCom(query map[string]string, encrypted string) ([]byte, error) {
	timestamp := query["timestamp"]
	text, err := wecom.Open(f.Secrets.WeCom, wecom.Signature{
		MsgSignature: query["msg_signature"], Timestamp: timestamp, Nonce: query["nonce"],
	}, encrypted)
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || strings.Trim(timestamp, "0123456789") != "" || !isFresh(seconds, f.RealClock()) {
		return nil, expired
	}
	return text, nil
}

// single reads a query in which each name stands once, so that nobody proves
// one value and has another believed.
func single(raw string) (map[string]string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, wecom.ErrUnproved
	}
	query := map[string]string{}
	for name, value := range values {
		if len(value) > 1 {
			return nil, wecom.ErrUnproved
		}
		query[name] = value[0]
	}
	return query, nil
}

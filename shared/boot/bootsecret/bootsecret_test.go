package bootsecret

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/boot"
)

// open makes an environment whose SSM answers the replies one after the other,
// and the last one for ever.
func open(t *testing.T, region string, replies ...func(http.ResponseWriter)) (*boot.Environment, *[]*http.Request) {
	t.Helper()
	var asked []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"Name":"/stack/key","WithDecryption":true}` {
			t.Errorf("asked %q, %v", body, err)
		}
		asked = append(asked, r)
		replies[min(len(asked), len(replies))-1](w)
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_REGION", region)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKID")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "session")
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	return boot.New("test"), &asked
}

func reply(status int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

var found = reply(200, `{"Parameter":{"Name":"/stack/key","Type":"SecureString","Value":"hush","Version":1}}`)

func TestParameter(t *testing.T) {
	env, asked := open(t, "cn-north-1", found)
	if got, err := parameter(t.Context(), env, "/stack/key"); err != nil || got != "hush" {
		t.Fatalf("got %q, %v", got, err)
	}
	header := (*asked)[0].Header
	if header.Get("X-Amz-Target") != "AmazonSSM.GetParameter" || header.Get("Content-Type") != "application/x-amz-json-1.1" || header.Get("X-Amz-Security-Token") != "session" {
		t.Errorf("headers %v", header)
	}
	signed := regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKID/\d{8}/cn-north-1/ssm/aws4_request, SignedHeaders=[a-z0-9;-]*x-amz-target, Signature=[0-9a-f]{64}$`)
	if got := header.Get("Authorization"); !signed.MatchString(got) {
		t.Errorf("authorization %q", got)
	}
}

func TestParameterAgain(t *testing.T) {
	for name, first := range map[string]func(http.ResponseWriter){
		"throttled": reply(400, `{"__type":"ThrottlingException","message":"Rate exceeded"}`),
		"too many":  reply(429, ``),
		"internal":  reply(500, `{"__type":"InternalServerError"}`),
		"no JSON":   reply(503, `<html>`),
		"cut off":   func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			env, asked := open(t, "us-east-1", first, found)
			if got, err := parameter(t.Context(), env, "/stack/key"); err != nil || got != "hush" || len(*asked) != 2 {
				t.Errorf("got %q, %v after %d requests", got, err, len(*asked))
			}
		})
	}
}

func TestParameterFails(t *testing.T) {
	for name, test := range map[string]struct {
		reply    func(http.ResponseWriter)
		requests int
		want     string
	}{
		"not there":   {reply(400, `{"__type":"ParameterNotFound","message":""}`), 1, "SSM answers 400 ParameterNotFound for the parameter /stack/key"},
		"prefixed":    {reply(400, `{"__type":"com.amazonaws.ssm#ParameterNotFound"}`), 1, "400 ParameterNotFound "},
		"not allowed": {reply(400, `{"__type":"AccessDeniedException","message":"User is not authorized"}`), 1, "400 AccessDeniedException"},
		"no JSON":     {reply(200, `hush`), 1, "SSM answers 200"},
		"down":        {reply(503, `hush`), attempts, "SSM answers 503"},
	} {
		t.Run(name, func(t *testing.T) {
			env, asked := open(t, "us-east-1", test.reply)
			got, err := parameter(t.Context(), env, "/stack/key")
			if got != "" || err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %q, %v", got, err)
			}
			if len(*asked) != test.requests {
				t.Errorf("%d requests, want %d", len(*asked), test.requests)
			}
		})
	}
}

func TestEndpoint(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1":      "https://ssm.us-east-1.amazonaws.com/",
		"cn-northwest-1": "https://ssm.cn-northwest-1.amazonaws.com.cn/",
	} {
		t.Setenv("AWS_ENDPOINT_URL", "")
		t.Setenv("AWS_REGION", region)
		if got := endpoint(boot.New("test")); got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
	}
}

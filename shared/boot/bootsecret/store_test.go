package bootsecret

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// answer is one answer of the Parameter Store.
type answer struct {
	status int
	body   string
}

// service answers in order and keeps the headers of what it was asked.
type service struct {
	t       *testing.T
	answers []answer
	asked   []http.Header
}

func (s *service) Do(r *http.Request) (*http.Response, error) {
	var body struct {
		Names          []string
		WithDecryption bool
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !body.WithDecryption {
		s.t.Errorf("it asks for %v: %v", body, err)
	}
	if diff := cmp.Diff(names, body.Names); diff != "" {
		s.t.Error(diff)
	}
	next := s.answers[len(s.asked)]
	s.asked = append(s.asked, r.Header)
	return &http.Response{StatusCode: next.status, Body: io.NopCloser(strings.NewReader(next.body))}, nil
}

func (s *service) store() parameterStore {
	return parameterStore{aws.Config{
		Region: "cn-north-1", HTTPClient: s,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "hush", SessionToken: "session"}, nil
		}),
	}}
}

var (
	names = []string{"/a", "/b"}
	found = answer{200, `{"InvalidParameters":["/b"],"Parameters":[{"Name":"/a","Type":"SecureString","Value":"1","Version":2}]}`}
	busy  = answer{400, `{"__type":"ThrottlingException","message":"Rate exceeded"}`}
	down  = answer{503, `oops`}
)

func TestOneSignedCallReadsEveryParameter(t *testing.T) {
	s := &service{t: t, answers: []answer{found}}
	values, err := s.store().get(t.Context(), names)
	if diff := cmp.Diff(map[string]string{"/a": "1"}, values); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got := s.asked[0].Get("X-Amz-Target"); got != "AmazonSSM.GetParameters" {
		t.Error(got)
	}
	if got := s.asked[0].Get("X-Amz-Security-Token"); got != "session" {
		t.Errorf("the session's token is %q; the credentials of a role are worth nothing without it", got)
	}
	signature := s.asked[0].Get("Authorization")
	if !strings.HasPrefix(signature, "AWS4-HMAC-SHA256 Credential=AKID/") ||
		!strings.Contains(signature, "/cn-north-1/ssm/aws4_request, SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=") {
		t.Error(signature)
	}
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{t: t, answers: []answer{busy, down, found}}
		if values, err := s.store().get(t.Context(), names); err != nil || values["/a"] != "1" || len(s.asked) != 3 {
			t.Error(values, err, len(s.asked))
		}
	})
}

func TestItGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{t: t, answers: []answer{down, down, down}}
		if values, err := s.store().get(t.Context(), names); err == nil || len(s.asked) != 3 {
			t.Error("after three attempts", values, err, len(s.asked))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
		defer cancel()
		s = &service{t: t, answers: []answer{down}}
		if values, err := s.store().get(ctx, names); err == nil || len(s.asked) != 1 {
			t.Error("when its time is over", values, err, len(s.asked))
		}
	})
}

func TestARefusalIsTold(t *testing.T) {
	s := &service{t: t, answers: []answer{{400, `{"__type":"com.amazonaws.ssm#AccessDeniedException","message":"not authorized"}`}}}
	_, err := s.store().get(t.Context(), names)
	if refused, ok := errors.AsType[smithy.APIError](err); !ok || refused.ErrorCode() != "AccessDeniedException" || len(s.asked) != 1 {
		t.Error(err, len(s.asked))
	}
}

func TestEndpoint(t *testing.T) {
	s := (&service{}).store()
	for region, want := range map[string]string{
		"us-east-1": "https://ssm.us-east-1.amazonaws.com/", "cn-north-1": "https://ssm.cn-north-1.amazonaws.com.cn/",
	} {
		if s.aws.Region = region; s.endpoint() != want {
			t.Errorf("%s: %s, want %s", region, s.endpoint(), want)
		}
	}
}

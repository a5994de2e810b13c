package contract

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// routes are those of the template: method and path.
func routes(t *testing.T) [][2]string {
	t.Helper()
	template, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var found [][2]string
	for _, match := range regexp.MustCompile(`ApiId: !Ref Api, Method: ([A-Z]+), Path: "([^"]+)"`).FindAllStringSubmatch(string(template), -1) {
		found = append(found, [2]string{match[1], strings.Replace(match[2], "/C/", "/c/", 1)})
	}
	if len(found) < 15 {
		t.Fatalf("only %d routes are found in the template", len(found))
	}
	return found
}

// takes tells whether API Gateway hands what a path of the document names to the route.
func takes(route, path string) bool {
	is := strings.Split(path, "/")
	segments := strings.Split(route, "/")
	for i, segment := range segments {
		switch {
		case segment == "{proxy+}":
			return len(is) > i
		case i >= len(is) || !strings.HasPrefix(segment, "{") && segment != is[i]:
			return false
		}
	}
	return len(is) == len(segments)
}

func TestEveryRouteOfTheTemplateStandsInTheDocumentAndTheOtherWayRound(t *testing.T) {
	d, err := published()
	if err != nil {
		t.Fatal(err)
	}
	all := routes(t)
	for _, route := range all {
		stands := false
		for _, p := range d.paths {
			for method := range p.methods {
				stands = stands || takes(route[1], p.template) && (route[0] == "ANY" || route[0] == strings.ToUpper(method))
			}
		}
		if !stands {
			t.Errorf("%s %s of the template stands nowhere in the document", route[0], route[1])
		}
	}
	for _, p := range d.paths {
		for method := range p.methods {
			routed := false
			for _, route := range all {
				routed = routed || takes(route[1], p.template) && (route[0] == "ANY" || route[0] == strings.ToUpper(method))
			}
			if !routed {
				t.Errorf("%s %s of the document has no route in the template", method, p.template)
			}
		}
	}
}

func TestAnAnswerThatTheDocumentDoesNotSayIsAContradiction(t *testing.T) {
	d, err := published()
	if err != nil {
		t.Fatal(err)
	}
	const problem = `{"type":"https://huitou.dev/problems/card_taken","title":"Conflict","status":409}`
	redeemed := answer{"POST", "/C/XXXX/redemption", 200, "application/json; charset=utf-8", []byte(`{"prize":{"kind":"points","value":50},"redeemed_at":"2026-12-01T00:00:00Z","state":"credited","friend_state":"x"}`)}
	for name, c := range map[string]struct {
		answer answer
		is     bool
	}{
		"as it is":             {redeemed, false},
		"unknown field":        {answer{redeemed.method, redeemed.path, 200, redeemed.contentType, []byte(strings.Replace(string(redeemed.body), "friend_state", "friend", 1))}, true},
		"missing field":        {answer{redeemed.method, redeemed.path, 200, redeemed.contentType, []byte(`{"state":"credited"}`)}, true},
		"no instant":           {answer{redeemed.method, redeemed.path, 200, redeemed.contentType, []byte(strings.Replace(string(redeemed.body), "2026-12-01T00:00:00Z", "today", 1))}, true},
		"another status":       {answer{redeemed.method, redeemed.path, 201, redeemed.contentType, redeemed.body}, true},
		"another media type":   {answer{redeemed.method, redeemed.path, 200, "text/html", redeemed.body}, true},
		"no JSON":              {answer{redeemed.method, redeemed.path, 200, redeemed.contentType, []byte("<")}, true},
		"a refusal":            {answer{redeemed.method, redeemed.path, 409, "application/problem+json; charset=utf-8", []byte(problem)}, false},
		"a body of 204":        {answer{"DELETE", "/v1/operators/li", 204, "application/json", []byte("{}")}, true},
		"CSV told as JSON":     {answer{"GET", "/v1/reports/liability.csv", 200, "application/json", []byte("{}")}, true},
		"CSV":                  {answer{"GET", "/v1/reports/liability.csv", 200, "text/csv; charset=utf-8", []byte("figure")}, false},
		"an unknown path":      {answer{"GET", "/v2/x", 200, "application/json", []byte("{}")}, true},
		"an unknown path, 404": {answer{"GET", "/v2/x", 404, "application/problem+json", []byte(problem)}, false},
	} {
		if err := d.contradiction(c.answer); (err != nil) != c.is {
			t.Errorf("%s: %v", name, err)
		}
	}
}

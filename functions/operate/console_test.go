package operate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// browse asks as a browser does and returns status, body and headers.
func (b *brand) browse(path string, headers ...string) (int, string, http.Header) {
	b.t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

func directive(policy, name string) []string {
	for part := range strings.SplitSeq(policy, ";") {
		if fields := strings.Fields(part); len(fields) > 0 && fields[0] == name {
			return fields[1:]
		}
	}
	return nil
}

func TestEveryPageOfTheConsoleIsAShellWithoutData(t *testing.T) {
	b := open(t)
	for path, view := range map[string]string{
		"/console":                                "today",
		"/console/members":                        "members",
		"/console/members/m1":                     "members",
		"/console/cards":                          "cards",
		"/console/cards/K-1":                      "cards",
		"/console/holds":                          "cards",
		"/console/payouts":                        "cards",
		"/console/payouts?state=paid":             "cards",
		"/console/payouts/HTK000070000003":        "cards",
		"/console/gifts":                          "cards",
		"/console/campaigns":                      "campaigns",
		"/console/reminders":                      "reminders",
		"/console/reminders?due_until=2026-12-01": "reminders",
		"/console/queues":                         "queues",
		"/console/queues/orders":                  "queues",
	} {
		status, page, header := b.browse(path)
		if status != http.StatusOK || header.Get("Content-Type") != "text/html; charset=utf-8" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", path, status, header)
		}
		for _, want := range []string{
			`<html lang="zh-CN">`, `data-view="` + view + `"`, `id="main"`, `id="sign-in-form"`, `id="live"`, `aria-live="polite"`,
			"回头牧场 · 运营台", `id="nav-` + view + `"`, `lang="en"`,
		} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: no %s", path, want)
			}
		}
		if strings.Count(page, "aria-current") != 1 {
			t.Errorf("%s: the navigation marks %d pages", path, strings.Count(page, "aria-current"))
		}
	}
	if status, page, _ := b.browse("/console/nothing/here"); status != http.StatusNotFound || !strings.Contains(page, `data-view="missing"`) {
		t.Errorf("an unknown page: %d %.200s", status, page)
	}
	if status, _, header := b.browse("/console/"); status != http.StatusPermanentRedirect || header.Get("Location") != "/console" {
		t.Errorf("/console/: %d %v", status, header)
	}
	if status, _, header := b.call(request{method: "POST", path: "/console"}); status != http.StatusMethodNotAllowed || header.Get("Allow") == "" {
		t.Errorf("POST /console: %d %v", status, header)
	}
}

var (
	inlineScript = regexp.MustCompile(`<script(?:[^>]*)>([^<]*)</script>`)
	assetAddress = regexp.MustCompile(`(?:src|href)="(/console/assets/[^"]+)"`)
	handler      = regexp.MustCompile(`\son[a-z]+=|\sstyle=|javascript:`)
	elsewhere    = regexp.MustCompile(`(?:src|href)="(?:https?:)?//`)
)

func TestTheConsoleRunsOnlyItsOwnFiles(t *testing.T) {
	b := open(t)
	_, page, header := b.browse("/console")
	policy := header.Get("Content-Security-Policy")
	if !slices.Equal(directive(policy, "default-src"), []string{"'self'"}) || directive(policy, "script-src") != nil ||
		!slices.Equal(directive(policy, "frame-ancestors"), []string{"'none'"}) || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	for _, script := range inlineScript.FindAllStringSubmatch(page, -1) {
		if script[1] != "" || !strings.Contains(script[0], `src="/console/assets/`) {
			t.Errorf("an inline script: %s", script[0])
		}
	}
	if found := handler.FindString(page); found != "" {
		t.Errorf("the page has %q, which the policy forbids", found)
	}
	if found := elsewhere.FindString(page); found != "" {
		t.Errorf("the page loads from elsewhere: %q", found)
	}
	assets := assetAddress.FindAllStringSubmatch(page, -1)
	if len(assets) != 3 {
		t.Fatalf("%d assets, want script, style and icon", len(assets))
	}
	for _, found := range assets {
		if !regexp.MustCompile(`\.[0-9a-f]{16}\.(js|css|svg)$`).MatchString(found[1]) {
			t.Errorf("%s does not change with its content", found[1])
		}
		status, content, header := b.browse(found[1])
		if status != http.StatusOK || content == "" || header.Get("Cache-Control") != "public, max-age=31536000, immutable" || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", found[1], status, header)
		}
		if strings.Contains(content, "innerHTML") || strings.Contains(content, "eval(") || strings.Contains(content, "@import") {
			t.Errorf("%s writes or loads what it should not", found[1])
		}
	}
	if status, _, header := b.browse("/console/assets/console.0000000000000000.js"); status != http.StatusNotFound || header.Get("Cache-Control") != "no-store" {
		t.Errorf("an old asset: %d %v", status, header)
	}
}

// A token in an address ends in logs, histories and referrers. The field has
// no name, so that no form can send it, and the script keeps it to one header.
func TestTheTokenStaysOutOfEveryAddress(t *testing.T) {
	b := open(t)
	_, page, header := b.browse("/console")
	field := regexp.MustCompile(`<input id="token"[^>]*>`).FindString(page)
	if field == "" || strings.Contains(field, "name=") || !strings.Contains(field, `type="password"`) || !strings.Contains(field, `autocomplete="off"`) {
		t.Errorf("the token's field: %s", field)
	}
	if header.Get("Referrer-Policy") != "no-referrer" || !slices.Equal(directive(header.Get("Content-Security-Policy"), "form-action"), []string{"'none'"}) {
		t.Errorf("%v", header)
	}
	for _, path := range []string{"/console?token=" + adminToken, "/console/session?token=" + adminToken} {
		if status, answer, _ := b.browse(path); strings.Contains(answer, adminToken) || strings.HasPrefix(path, "/console/session") && status != http.StatusUnauthorized {
			t.Errorf("%s: %d, the token counts or comes back", path, status)
		}
	}
	address := assetAddress.FindAllStringSubmatch(page, -1)
	_, script, _ := b.browse(address[slices.IndexFunc(address, func(a []string) bool { return strings.HasSuffix(a[1], ".js") })][1])
	if uses := strings.Count(script, "session.token"); uses != 3 {
		t.Errorf("the script uses the token in %d places, want 3: taken, sent in the header, forgotten", uses)
	}
	if strings.Contains(script, "localStorage") || strings.Contains(script, "document.cookie") {
		t.Error("the script keeps something longer than the tab")
	}
}

func TestTheSessionTellsWhoseTokenItIs(t *testing.T) {
	b := open(t)
	_, made := b.post("/v1/operators", "viewer", `{"name":"chen","role":"viewer"}`)
	for name, test := range map[string]struct {
		token  string
		status int
		name   string
		role   string
	}{
		"admin":   {adminToken, 200, "admin", "admin"},
		"viewer":  {field(t, made, "token"), 200, "chen", "viewer"},
		"nobody":  {"nobody", 401, "<nil>", "<nil>"},
		"without": {"", 401, "<nil>", "<nil>"},
		"member":  {memberToken(t), 403, "<nil>", "<nil>"},
	} {
		status, answer, header := b.call(request{method: "GET", path: "/console/session", token: test.token})
		if status != test.status || field(t, answer, "name") != test.name || field(t, answer, "role") != test.role || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

func TestTheLanguageIsChosenOnceAndKept(t *testing.T) {
	b := open(t)
	_, page, header := b.browse("/console/cards?lang=en")
	cookie := header.Get("Set-Cookie")
	if !strings.Contains(page, `<html lang="en">`) || !strings.Contains(page, "Huitou Farm · Console") || !strings.HasPrefix(cookie, "huitou_console_language=en;") {
		t.Errorf("chosen: %q %.200s", cookie, page)
	}
	if _, page, header := b.browse("/console", "Cookie", "huitou_console_language=en"); !strings.Contains(page, `<html lang="en">`) || header.Get("Vary") != "Cookie" {
		t.Errorf("kept: %v %.100s", header, page)
	}
	for _, other := range []string{"/console?lang=fr", "/console?lang=%22%3E%3Cscript%3E"} {
		if _, page, header := b.browse(other); !strings.Contains(page, `<html lang="zh-CN">`) || !strings.HasPrefix(header.Get("Set-Cookie"), "huitou_console_language=zh-CN;") {
			t.Errorf("%s: %v", other, header)
		}
	}
}

// The console's words are pairs: a page half in another language is a fault.
func TestEveryWordOfTheConsoleIsInBothLanguages(t *testing.T) {
	b := open(t)
	_, page, _ := b.browse("/console")
	address := assetAddress.FindAllStringSubmatch(page, -1)
	_, script, _ := b.browse(address[slices.IndexFunc(address, func(a []string) bool { return strings.HasSuffix(a[1], ".js") })][1])
	known := map[string]bool{}
	for _, entry := range regexp.MustCompile(`(?m)^  ([A-Za-z_0-9]+): \["([^"]+)", "([^"]+)"\],$`).FindAllStringSubmatch(script, -1) {
		if known[entry[1]] {
			t.Errorf("%s is there twice", entry[1])
		}
		known[entry[1]] = true
		if !slices.Equal(places(entry[2]), places(entry[3])) {
			t.Errorf("%s: %q and %q take different arguments", entry[1], entry[2], entry[3])
		}
	}
	block := script[strings.Index(script, "const words = {"):strings.Index(script, "\n};")]
	if lines := strings.Count(block, ": ["); lines != len(known) || lines < 100 {
		t.Errorf("%d words, %d of them in both languages", lines, len(known))
	}
	for _, use := range regexp.MustCompile(`\bsay\("([a-zA-Z_]+)"[,)]`).FindAllStringSubmatch(script, -1) {
		if !known[use[1]] {
			t.Errorf("say(%q) has no word", use[1])
		}
	}
	rest := script[strings.Index(script, "\n};"):]
	for word := range known {
		group, _, _ := strings.Cut(word, "_")
		if !strings.Contains(rest, `"`+word+`"`) && !strings.Contains(rest, `"`+group+`"`) && !strings.Contains(rest, `"`+group+`_"`) && !strings.Contains(rest, `+ "Get"`) {
			t.Errorf("the word %s is never said", word)
		}
	}
}

func places(text string) []string {
	found := regexp.MustCompile(`\{\d\}`).FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

func TestBrandsOfEveryColourCanBeRead(t *testing.T) {
	b := open(t)
	_, current, _ := b.call(request{method: "GET", path: "/v1/program", token: adminToken})
	for _, colour := range []string{"#ffff00", "#ffffff", "#000000"} {
		document := regexp.MustCompile(`"version":0,"effective_at":"[^"]*",|,"versions":\[[^\]]*\]`).ReplaceAllString(current, "")
		document = regexp.MustCompile(`"version":\d+,"effective_at":"[^"]*",`).ReplaceAllString(document, "")
		document = regexp.MustCompile(`"colour":"[^"]*"`).ReplaceAllString(document, `"colour":"`+colour+`"`)
		if status, answer := b.put("/v1/program", document); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		_, page, header := b.browse("/console")
		palette := regexp.MustCompile(`--brand:(#[0-9a-f]{6});--ink-on-brand:(#[0-9a-f]{6});--accent:(#[0-9a-f]{6})`).FindStringSubmatch(page)
		if palette == nil || palette[1] != colour || !strings.Contains(header.Get("Content-Security-Policy"), "'sha256-") {
			t.Fatalf("%s: %v %v", colour, palette, header)
		}
		if light := colour != "#000000"; (palette[2] == "#000000") != light || light && palette[3] == colour {
			t.Errorf("%s: ink %s, accent %s", colour, palette[2], palette[3])
		}
	}
}

// The console has a word for every kind of entry that the API can answer.
func TestTheConsoleNamesEveryEntry(t *testing.T) {
	raw, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Enum []any }
			}
		}
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	words, err := os.ReadFile("console/console.js")
	if err != nil {
		t.Fatal(err)
	}
	kinds := document.Components.Schemas["StatementEntry"].Properties["kind"].Enum
	if len(kinds) < 10 {
		t.Fatalf("kinds of entries: %v", kinds)
	}
	for _, kind := range kinds {
		if !strings.Contains(string(words), fmt.Sprintf("\n  entry_%s: [", kind)) {
			t.Errorf("console.js has no word for %s", kind)
		}
	}
}

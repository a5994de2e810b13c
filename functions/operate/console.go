package operate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"html/template"
	"net/http"
	"sync"

	"github.com/huitou/huitou/shared/pagestyle"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/problem"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/rest"
)

var (
	//go:embed console/shell.html
	shellFile embed.FS
	//go:embed console/console.js
	scriptFile []byte
	//go:embed console/console.css
	styleFile []byte
	//go:embed console/icon.svg
	iconFile []byte
)

var shellTemplate = sync.OnceValue(func() *template.Template { return template.Must(template.ParseFS(shellFile, "console/shell.html")) })

// asset is a file of the console under a name that changes with its content,
// so that a browser may keep it for ever.
type asset struct {
	Path        string
	contentType string
	content     []byte
}

var consoleAssets = sync.OnceValue(func() map[string]asset {
	return map[string]asset{
		"script": newAsset("console", ".js", "text/javascript; charset=utf-8", scriptFile),
		"style":  newAsset("console", ".css", "text/css; charset=utf-8", styleFile),
		"icon":   newAsset("icon", ".svg", "image/svg+xml", iconFile),
	}
})

const assetFolder = "/console/assets/"

func newAsset(name, extension, contentType string, content []byte) asset {
	sum := sha256.Sum256(content)
	return asset{assetFolder + name + "." + hex.EncodeToString(sum[:8]) + extension, contentType, content}
}

// consoleView is one page of the console (运营台). Its id is the body's
// data-view and, behind "nav-", the id of its link.
type consoleView struct {
	ID, Path string
	More     []string // paths of further pages that belong to it
	Admin    bool     // only an admin's token opens what it shows
	Names    map[string]string
}

// consoleViews in the order of the navigation.
var consoleViews = []consoleView{
	{"today", "/console", nil, false, map[string]string{chinese: "今日", english: "Today"}},
	{"members", "/console/members", []string{"/console/members/{id}"}, false, map[string]string{chinese: "会员", english: "Members"}},
	{"cards", "/console/cards", []string{"/console/cards/{id}", "/console/holds", "/console/payouts", "/console/payouts/{bill}", "/console/gifts"}, false, map[string]string{chinese: "包裹卡", english: "Cards"}},
	{"campaigns", "/console/campaigns", nil, false, map[string]string{chinese: "营销", english: "Campaigns"}},
	{"reminders", "/console/reminders", nil, false, map[string]string{chinese: "提醒", english: "Reminders"}},
	{"queues", "/console/queues", []string{"/console/queues/{name}"}, true, map[string]string{chinese: "队列", english: "Queues"}},
}

// Languages of the console.
const (
	chinese = "zh-CN"
	english = "en"
)

// shell is what shell.html shows: everything but what the script fetches.
type shell struct {
	Lang, Other string
	Brand       string
	Palette     template.CSS
	Views       []consoleView
	View        string
	Assets      map[string]asset
}

// Name is a view's name in the shell's language.
func (s shell) Name(v consoleView) string { return v.Names[s.Lang] }

// Say chooses between the two languages.
func (s shell) Say(zh, en string) string {
	if s.Lang == english {
		return en
	}
	return zh
}

// registerConsole serves the operators' pages. They hold no data: a script
// fetches it from /v1 with the token that the operator pasted.
func (f Function) registerConsole(mux *http.ServeMux) {
	for _, view := range consoleViews {
		show := func(w http.ResponseWriter, r *http.Request) { f.showConsole(w, r, http.StatusOK, view.ID) }
		for _, path := range append(view.More, view.Path) {
			mux.HandleFunc("GET "+path, show)
		}
	}
	mux.HandleFunc("GET /console/{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/console", http.StatusPermanentRedirect)
	})
	mux.HandleFunc("GET /console/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		f.showConsole(w, r, http.StatusNotFound, "missing")
	})
	mux.HandleFunc("GET /console/session", showSession)
	mux.HandleFunc("GET "+assetFolder+"{name}", showAsset)
}

// showSession tells the console whose token it was given, so that it offers
// what that role may do and nothing else.
func showSession(w http.ResponseWriter, r *http.Request) {
	operator, ok := rest.Operator(r.Context())
	if !ok {
		problem.Write(w, r, loyalty.Refuse(loyalty.KindUnauthenticated, "token_missing", "sign in with an operator's token"))
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(operator) // a reader who went away needs no answer
}

func showAsset(w http.ResponseWriter, r *http.Request) {
	for _, a := range consoleAssets() {
		if a.Path == r.URL.Path {
			w.Header().Set("Content-Type", a.contentType)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			_, _ = w.Write(a.content) // a reader who went away needs no answer
			return
		}
	}
	problem.Write(w, r, loyalty.Refuse(loyalty.KindNotFound, "asset_unknown", "there is no such file; reload the page"))
}

const languageCookie = "huitou_console_language"

// consoleLanguage is what the operator chose, now or before, else Chinese.
func consoleLanguage(r *http.Request) string {
	chosen := r.URL.Query().Get("lang")
	if kept, err := r.Cookie(languageCookie); chosen == "" && err == nil {
		chosen = kept.Value
	}
	if chosen == english {
		return english
	}
	return chinese
}

func (f Function) showConsole(w http.ResponseWriter, r *http.Request, status int, view string) {
	lang := consoleLanguage(r)
	if r.URL.Query().Has("lang") {
		http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: lang, Path: "/console", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	brand := f.consoleBrand(r.Context())
	palette := pagestyle.Palette(brand.Colour)
	s := shell{
		Lang: lang, Other: english, Brand: brand.Name, Palette: template.CSS(palette), // #nosec G203 -- colours of six hexadecimal digits
		Views: consoleViews, View: view, Assets: consoleAssets(),
	}
	if lang == english {
		s.Other = chinese
		if brand.NameEN != "" {
			s.Brand = brand.NameEN
		}
	}
	var page bytes.Buffer
	if err := shellTemplate().Execute(&page, s); err != nil {
		f.Log.ErrorContext(r.Context(), "request failed", "operation", "console", "error", err.Error())
		problem.Write(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", lang)
	header.Set("Vary", "Cookie")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Robots-Tag", "noindex, nofollow")
	header.Set("Content-Security-Policy", "default-src 'self'; style-src 'self' "+pagestyle.Hash(palette)+
		"; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // a reader who went away needs no answer
}

// consoleBrand is whose console it is. A table that cannot be read leaves the
// name open: the page then shows what the API says about it.
func (f Function) consoleBrand(ctx context.Context) program.Brand {
	rules, err := f.rules(ctx)
	if err != nil {
		f.Log.ErrorContext(ctx, "request failed", "operation", "console", "error", err.Error())
		return program.Brand{}
	}
	return rules.Brand
}

package stack

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/problem"
	"github.com/huitou/huitou/shared/strictjson"
)

// Control serves what only the local process has (CONTRACT, "Only in the
// local process"): GET /_local lists the schedules, POST
// /_local/schedules/{Function}/{Event}?time= fires one, POST /_local/clock
// moves the clock. It asks for no token.
func (s *Stack) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_local", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"schedules": s.Schedules(), "now": s.Now().Format(time.RFC3339)})
	})
	mux.HandleFunc("POST /_local/schedules/{function}/{event}", s.controlSchedule)
	mux.HandleFunc("POST /_local/clock", s.controlClock)
	for path, allowed := range map[string]string{
		"/_local": "GET, HEAD", "/_local/schedules/{function}/{event}": "POST", "/_local/clock": "POST",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allowed)
			problem.Write(w, r, loyalty.Refuse(loyalty.KindNotAllowed, "method_not_allowed", "this path does not take the method; the Allow header lists those it takes"))
		})
	}
	mux.HandleFunc("/_local/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, loyalty.Refuse(loyalty.KindNotFound, "path_unknown", "there is nothing at this path; GET /_local lists the schedules"))
	})
	return mux
}

func (s *Stack) controlSchedule(w http.ResponseWriter, r *http.Request) {
	at := s.Now()
	if text := r.URL.Query().Get("time"); r.URL.Query().Has("time") {
		var err error
		if at, err = loyalty.ParseTime(text); err != nil {
			problem.Write(w, r, loyalty.Invalid("time", "invalid_time", "time is RFC 3339 with a zone; write + as %2B"))
			return
		}
	}
	name := r.PathValue("function") + "/" + r.PathValue("event")
	if err := s.Fire(r.Context(), name, at); err != nil {
		if loyalty.KindOf(err) == loyalty.KindInternal {
			s.log.Error("a schedule failed", "schedule", name, "time", at, "error", err)
		}
		problem.Write(w, r, err)
		return
	}
	answer(w, map[string]any{"fired": name, "time": at.Format(time.RFC3339)})
}

// maxControlBody is ample for one time, in bytes.
const maxControlBody = 1 << 10

func (s *Stack) controlClock(w http.ResponseWriter, r *http.Request) {
	to, err := readClock(io.LimitReader(r.Body, maxControlBody))
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	fired, err := s.SetClock(r.Context(), to)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	answer(w, map[string]any{"now": s.Now().Format(time.RFC3339), "fired": fired})
}

func readClock(body io.Reader) (time.Time, error) {
	raw, err := io.ReadAll(body)
	if err != nil {
		return time.Time{}, loyalty.Invalid("", "body_unreadable", "the body could not be read")
	}
	var wish *struct {
		Now *string `json:"now"`
	}
	if err := strictjson.Exact(raw, &wish); err != nil || wish == nil {
		return time.Time{}, loyalty.Invalid("", "invalid_json", `the body is {"now":"2026-11-21T10:00:00+08:00"}`)
	}
	if wish.Now == nil {
		return time.Time{}, loyalty.Invalid("/now", "required", "now is missing")
	}
	to, err := loyalty.ParseTime(*wish.Now)
	if err != nil {
		return time.Time{}, loyalty.Invalid("/now", "invalid_time", "now is RFC 3339 with a zone")
	}
	return to, nil
}

func answer(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	// A caller who went away cannot be told anything more.
	_ = json.NewEncoder(w).Encode(document)
}

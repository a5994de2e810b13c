package stack

import (
	"fmt"
	"slices"
	"strings"
)

// route is one of the HTTP API's.
type route struct {
	key      string // "GET /c/{code}" or "$default"
	method   string // "ANY" for all
	segments []string
	function string
}

func newRoute(method, path string) (route, error) {
	method = strings.ToUpper(method)
	if !slices.Contains(methods, method) {
		return route{}, fmt.Errorf("method %q is not known here", method)
	}
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return route{}, fmt.Errorf("path %q does not begin with /", path)
	}
	segments := strings.Split(rest, "/")
	for i, segment := range segments {
		_, greedy, variable := variable(segment)
		if !variable && strings.ContainsAny(segment, "{}") || greedy && i != len(segments)-1 {
			return route{}, fmt.Errorf("path %q: %q is no segment", path, segment)
		}
	}
	return route{key: method + " " + path, method: method, segments: segments}, nil
}

// variable takes {name} or {name+} apart.
func variable(segment string) (name string, greedy, ok bool) {
	inner, ok := strings.CutPrefix(segment, "{")
	if !ok {
		return "", false, false
	}
	inner, ok = strings.CutSuffix(inner, "}")
	if !ok || inner == "" || inner == "+" || strings.ContainsAny(inner, "{}") {
		return "", false, false
	}
	name, greedy = strings.CutSuffix(inner, "+")
	return name, greedy, true
}

// pattern is the same for two routes that would match the same requests.
func (r route) pattern() string {
	parts := []string{r.method}
	for _, segment := range r.segments {
		if _, greedy, ok := variable(segment); ok {
			segment = map[bool]string{false: "{}", true: "{+}"}[greedy]
		}
		parts = append(parts, segment)
	}
	return strings.Join(parts, "/")
}

// match tells whether the route takes the path and what its variables are. A
// variable holds at least one byte.
func (r route) match(path []string) (map[string]string, bool) {
	var variables map[string]string
	set := func(name, value string) bool {
		if variables == nil {
			variables = map[string]string{}
		}
		variables[name] = value
		return value != ""
	}
	for i, segment := range r.segments {
		name, greedy, isVariable := variable(segment)
		switch {
		case i >= len(path):
			return nil, false
		case greedy:
			return variables, set(name, strings.Join(path[i:], "/"))
		case isVariable:
			if !set(name, path[i]) {
				return nil, false
			}
		case segment != path[i]:
			return nil, false
		}
	}
	return variables, len(path) == len(r.segments)
}

// before tells whether the route is more specific than another one that takes
// the same request: a full match before a greedy variable, words before
// variables from the left, a method before ANY.
func (r route) before(other route) bool {
	for i := range min(len(r.segments), len(other.segments)) {
		if mine, its := rank(r.segments[i]), rank(other.segments[i]); mine != its {
			return mine < its
		}
	}
	return r.method != "ANY" && other.method == "ANY"
}

func rank(segment string) int {
	switch _, greedy, ok := variable(segment); {
	case greedy:
		return 2
	case ok:
		return 1
	default:
		return 0
	}
}

// find is the route of a request, by the priority that the API Gateway
// developer guide gives ("Routing API requests"): the most specific one that
// takes path and method, then $default.
func find(routes []route, method, path string) (route, map[string]string, bool) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	var best, fallback *route
	var bound map[string]string
	for i := range routes {
		r := &routes[i]
		if r.key == "$default" {
			fallback = r
			continue
		}
		if r.method != "ANY" && r.method != method {
			continue
		}
		variables, ok := r.match(segments)
		if ok && (best == nil || r.before(*best)) {
			best, bound = r, variables
		}
	}
	switch {
	case best != nil:
		return *best, bound, true
	case fallback != nil:
		return *fallback, nil, true
	default:
		return route{}, nil, false
	}
}

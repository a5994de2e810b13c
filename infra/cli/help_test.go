package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// words splits a line of the help as a shell would, as far as the help needs.
func words(line string) []string {
	line, _, _ = strings.Cut(line, "   (")
	line, _, _ = strings.Cut(line, " > ")
	var all []string
	var word strings.Builder
	var quote rune
	begun := false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, begun = r, true
		case quote == 0 && r == ' ':
			if begun {
				all = append(all, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if begun {
		all = append(all, word.String())
	}
	for len(all) > 0 && strings.Contains(all[0], "=") {
		all = all[1:] // of the environment
	}
	return all
}

// Every command has a help with an example of its own, and every example is a
// command line that this build understands.
func TestExamplesOfTheHelp(t *testing.T) {
	t.Setenv("HUITOU_OPERATOR_TOKEN", "token-of-the-environment")
	t.Setenv("HUITOU_WEBHOOK_SECRET", "secret-of-the-environment")
	var out bytes.Buffer
	console := Console{Out: &out, Err: &out}
	parser, err := newParser(console, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, leaf := range parser.Model.Leaves(false) {
		path := strings.TrimSpace(leaf.Path())
		for i := range leaf.Positional {
			path, _, _ = strings.Cut(path, " <"+leaf.Positional[i].Name)
		}
		path, _, _ = strings.Cut(path, " [")
		path = strings.TrimPrefix(path, "huitou ")
		own := 0
		for line := range strings.SplitSeq(leaf.Detail, "\n") {
			line = strings.TrimSpace(line)
			if !strings.Contains(line, "huitou ") || strings.HasSuffix(line, ".") {
				continue
			}
			arguments := words(line)
			if len(arguments) < 2 || arguments[0] != "huitou" {
				continue
			}
			fresh, err := newParser(console, func(int) {})
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := fresh.Parse(arguments[1:])
			if err != nil {
				t.Errorf("%s: the example %q: %v", path, line, err)
				continue
			}
			examples++
			if strings.HasPrefix(parsed.Command(), path) {
				own++
			}
		}
		if own == 0 {
			t.Errorf("huitou %s has no example of itself", path)
		}
		out.Reset()
		if code := Main(t.Context(), append(strings.Fields(path), "--help"), console); code != 0 {
			t.Errorf("huitou %s --help: exit code %d", path, code)
		}
		help := out.String()
		if !strings.Contains(help, "Examples:") || strings.Contains(help, "of-the-environment") {
			t.Errorf("huitou %s --help: %s", path, help)
		}
		checkFlags(t, path, leaf)
	}
	if examples < 40 {
		t.Errorf("%d examples were tried", examples)
	}
}

// checkFlags holds what every command promises: JSON, an address, and a token
// that comes from the environment.
func checkFlags(t *testing.T, path string, leaf *kong.Node) {
	t.Helper()
	envs := map[string]string{}
	for _, flag := range leaf.Flags {
		envs[flag.Name] = strings.Join(flag.Envs, ",")
		if flag.Help == "" {
			t.Errorf("huitou %s: --%s has no help", path, flag.Name)
		}
	}
	if envs["url"] != "HUITOU_URL" {
		t.Errorf("huitou %s: --url is not from HUITOU_URL", path)
	}
	if _, ok := envs["json"]; !ok && path != "openapi" && path != "program schema" {
		t.Errorf("huitou %s has no --json", path)
	}
	if env, ok := envs["token"]; ok && env != "HUITOU_OPERATOR_TOKEN" {
		t.Errorf("huitou %s: --token is not from HUITOU_OPERATOR_TOKEN", path)
	}
}

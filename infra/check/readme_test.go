package check

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func readme(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(repository(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The two READMEs have the same sections, commands and figures, in one order.
func TestBothReadmesSayTheSame(t *testing.T) {
	for _, difference := range readmesDiffer(readme(t, "README.md"), readme(t, "README.zh-CN.md")) {
		t.Error(difference)
	}
}

func TestBothReadmesCatches(t *testing.T) {
	english, chinese := readme(t, "README.md"), readme(t, "README.zh-CN.md")
	for name, change := range map[string][2]string{
		"a figure":  {"51,056", "51,057"},
		"a cell":    {"| 6 / 3 / 9 |", "| 6 / 3 / 8 |"},
		"a command": {"bin/huitou program diff", "bin/huitou program show"},
		"a section": {"\n## 目录\n", "\n"},
		"a row":     {"| 付一个红包 | 6 | 2 | 4 |\n", ""},
	} {
		changed := strings.Replace(chinese, change[0], change[1], 1)
		if changed == chinese {
			t.Errorf("%s: README.zh-CN.md has no %q; plant something else", name, change[0])
		} else if len(readmesDiffer(english, changed)) == 0 {
			t.Errorf("%s: %q instead of %q is not found", name, change[1], change[0])
		}
	}
}

var (
	code   = regexp.MustCompile("(?s)```.*?```|`[^`]*`|<[^>]*>|\\]\\([^)]*\\)")
	number = regexp.MustCompile(`\d+(?:[.,]\d+)*`)
)

// readmesDiffer compares what does not depend on the language.
func readmesDiffer(english, chinese string) []string {
	var differences []string
	compare := func(what string, of func(string) []string) {
		a, b := of(english), of(chinese)
		for i := range max(len(a), len(b)) {
			if i >= min(len(a), len(b)) || a[i] != b[i] {
				differences = append(differences, fmt.Sprintf("%s %d: README.md has %q, README.zh-CN.md %q", what, i+1, at(a, i), at(b, i)))
				return
			}
		}
	}
	compare("section", func(text string) []string {
		return regexp.MustCompile(`(?m)^#+ `).FindAllString(code.ReplaceAllString(text, ""), -1)
	})
	compare("figures of table row", func(text string) []string {
		var rows []string
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "|") {
				figures := number.FindAllString(code.ReplaceAllString(line, ""), -1)
				slices.Sort(figures)
				rows = append(rows, strings.Join(figures, " "))
			}
		}
		return rows
	})
	compare("figure", func(text string) []string {
		var figures []string
		for _, figure := range number.FindAllString(code.ReplaceAllString(text, ""), -1) {
			if strings.ContainsAny(figure, ".,") { // the small ones are words in one language and digits in the other
				figures = append(figures, figure)
			}
		}
		slices.Sort(figures)
		return figures
	})
	compare("command", func(text string) []string {
		var commands []string
		for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
			for line := range strings.Lines(block[1]) {
				line, _, _ = strings.Cut(line, " # ")
				words := strings.Fields(line)
				commands = append(commands, strings.Join(words[:min(3, len(words))], " "))
			}
		}
		return commands
	})
	return differences
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "nothing"
}

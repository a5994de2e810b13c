package check

import (
	"fmt"
	"io/fs"
	"path"
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

// A page and its Chinese twin have the same sections, commands and figures, in
// one order; each page has one.
func TestBothLanguagesSayTheSame(t *testing.T) {
	pages, err := fs.Glob(repository(), "infra/docs/*.md")
	if err != nil || len(pages) < 2 {
		t.Fatalf("infra/docs has the pages %v, %v", pages, err)
	}
	for _, page := range append(pages, "README.md", "README.zh-CN.md") {
		english, isChinese := strings.CutSuffix(page, ".zh-CN.md")
		if isChinese {
			readme(t, english+".md")
			continue
		}
		for _, difference := range pagesDiffer(readme(t, page), readme(t, strings.TrimSuffix(page, ".md")+".zh-CN.md")) {
			t.Errorf("%s and its Chinese twin: %s", page, difference)
		}
	}
}

func TestBothLanguagesCatches(t *testing.T) {
	for name, change := range map[string][3]string{
		"a figure":  {"infra/docs/costs", "51,056", "51,057"},
		"a cell":    {"infra/docs/costs", "| 6 / 3 / 9 |", "| 6 / 3 / 8 |"},
		"a command": {"infra/docs/rules", "bin/huitou program diff", "bin/huitou program show"},
		"a section": {"README", "\n## 地图\n", "\n"},
		"a row":     {"infra/docs/costs", "| 付一个红包 | 6 | 2 | 4 |\n", ""},
	} {
		english, chinese := readme(t, change[0]+".md"), readme(t, change[0]+".zh-CN.md")
		changed := strings.Replace(chinese, change[1], change[2], 1)
		if changed == chinese {
			t.Errorf("%s: %s.zh-CN.md has no %q; plant something else", name, change[0], change[1])
		} else if len(pagesDiffer(english, changed)) == 0 {
			t.Errorf("%s: %q instead of %q is not found", name, change[2], change[1])
		}
	}
}

// A README that leads is short, and what it leads to is there.
func TestTheReadmeIsShortAndItsLinksLead(t *testing.T) {
	pages, err := fs.Glob(repository(), "infra/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md") {
		text := readme(t, page)
		if lines, words := strings.Count(text, "\n"), len(strings.Fields(text)); strings.HasPrefix(page, "README") && (lines > 150 || words > 1200) {
			t.Errorf("%s has %d lines and %d words, of 150 and 1,200", page, lines, words)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)|src="([^"]+)"`).FindAllStringSubmatch(text, -1) {
			target := link[1] + link[2]
			if strings.Contains(target, "://") {
				continue
			}
			if _, err := fs.Stat(repository(), path.Join(path.Dir(page), target)); err != nil {
				t.Errorf("%s leads to %s, which is not there", page, target)
			}
		}
	}
}

var (
	code   = regexp.MustCompile("(?s)```.*?```|`[^`]*`|<[^>]*>|\\]\\([^)]*\\)")
	number = regexp.MustCompile(`\d+(?:[.,]\d+)*`)
)

// pagesDiffer compares what does not depend on the language.
func pagesDiffer(english, chinese string) []string {
	var differences []string
	compare := func(what string, of func(string) []string) {
		a, b := of(english), of(chinese)
		for i := range max(len(a), len(b)) {
			if i >= min(len(a), len(b)) || a[i] != b[i] {
				differences = append(differences, fmt.Sprintf("%s %d: the English has %q, the Chinese %q", what, i+1, at(a, i), at(b, i)))
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

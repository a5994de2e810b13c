package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The five minutes of either README work as they stand: the lines are taken from
// the file, typed into a shell one after the other, and give what the text says.
func TestTheFiveMinutesOfTheReadme(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(folder, "bin", "huitou"), "./infra/cli/huitou") // as make cli does
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Symlink(filepath.Join(root, "infra"), filepath.Join(folder, "infra")); err != nil {
		t.Fatal(err)
	}
	for name, title := range map[string]string{"README.md": "### Try it\n", "README.zh-CN.md": "### 试一试\n"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			_, section, found := strings.Cut(string(text), title)
			section, _, _ = strings.Cut(section, "\n## ")
			blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1)
			if !found || len(blocks) != 2 {
				t.Fatalf("there are %d blocks of commands", len(blocks))
			}
			fixed := regexp.MustCompile(`export HUITOU_OPERATOR_TOKEN=(\S+) HUITOU_WEBHOOK_SECRET=(\S+)\n`).FindStringSubmatch(blocks[0][1])
			if fixed == nil || blocks[0][1] != fixed[0]+"make run\n" {
				t.Fatalf("the first terminal is %q", blocks[0][1])
			}
			p := start(t, t.TempDir(), map[string]string{"HUITOU_OPERATOR_TOKEN": fixed[1], "HUITOU_WEBHOOK_SECRET": fixed[2]})
			lines := strings.Split(blocks[1][1], "\n")
			at := slices.Index(lines, "make cli")
			if at != 1 || lines[0]+"\n" != fixed[0] || strings.Contains(blocks[1][1], "#") || strings.Contains(blocks[1][1], "…") {
				t.Fatalf("the second terminal is %q", blocks[1][1])
			}
			shell := exec.Command("sh", "-eu", "-c", strings.Join(slices.Delete(lines, at, at+1), "\n"))
			shell.Dir = folder
			shell.Env = append(os.Environ(), "HUITOU_URL="+p.address)
			out, err := shell.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			said := string(out)
			points := regexp.MustCompile(`(?s)available +(\d+)\s.*?pending +(\d+)\s`).FindAllStringSubmatch(said, -1)
			if len(points) != 2 || points[0][1] != "0" || points[0][2] != "528" || points[1][1] != "528" || points[1][2] != "0" || !strings.Contains(section, " 528 ") {
				t.Errorf("the points are %q, want 528 pending and then available, as the text says", points)
			}
			for _, want := range []string{"orders   2 with 3 lines", "paid     ¥567.90", "refunded ¥39.90", "unpaid   1 orders, refused 0 rows"} {
				if !strings.Contains(said, want) {
					t.Errorf("the import does not say %q", want)
				}
			}
			if reminders := regexp.MustCompile(`(?m)^2024-11-24T01:\d\d:\d\d(?:\.\d+)?Z .*milk-powder.*$`).FindAllString(said, -1); len(reminders) != 1 {
				t.Errorf("the outbox holds %q, want the one reminder", reminders)
			}
			if t.Failed() {
				t.Log(said)
			}
		})
	}
}

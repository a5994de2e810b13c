package reference_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/infra/reference"
)

// plantedWithin is how many histories a planted error may survive.
const plantedWithin = 3000

// planted are errors in the model: what stands there, and what a hurried hand
// might have written instead. Histories that do not tell each of them from the
// model would not tell the same error in the ledger, either.
var planted = []struct{ name, old, new string }{
	// Earning, and the version of the program.
	{"a line is rounded up", "/ line.rules.PerFen", "/ line.rules.PerFen + min(1, line.rules.Points*max(0, line.Fen-o.back(id))%line.rules.PerFen)"},
	{"the newest rules decide", "slices.IndexFunc(s.program, func(v Version) bool { return !v.From.After(at) })", "0"},
	{"rules begin a moment late", "return !v.From.After(at)", "return v.From.Before(at)"},
	{"the last telling of a line stands", "case in.Kind == Paid && known.Line != line, ", "case in.Kind == Paid && known.Line != line:\nknown.Fen = line.Fen\no.otherwise[fmt.Sprint(in.Refund, line)] = true\ncase "},
	{"the first rules decide for all lines", "worth := line.rules.Points * max(0, line.Fen-o.back(id)) / line.rules.PerFen", "worth := s.inForce(o.first[Paid]).Points * max(0, line.Fen-o.back(id)) / s.inForce(o.first[Paid]).PerFen"},

	// Orders told otherwise.
	{"a contradiction leaves no trace", "o.otherwise[fmt.Sprint(in.Refund, line)] = true", "_ = fmt.Sprint()"},
	{"a contradiction counts with each repeat", "fmt.Sprint(in.Refund, line)", "fmt.Sprint(in.Now, in.Refund, line)"},
	{"a refund may change its amount", "in.Refund != \"\" && back != 0 && back != line.Fen", "false"},

	// Refunds.
	{"single refunds and their total add up", "return max(back, o.refunds", "return max(back, back+o.refunds"},
	{"the last running total stands", "max(back, line.Fen)", "line.Fen"},
	{"a repeated refund counts again", "o.refunds[key] = max(back, line.Fen)", "o.refunds[key] += line.Fen"},
	{"a refund before its line is dropped", "o.refunds[key] = max(back, line.Fen)", "if known != nil {\no.refunds[key] = max(back, line.Fen)\n}"},
	{"a refund beyond the price is dropped", "case in.Kind == Refunded:", "case in.Kind == Refunded && (known == nil || line.Fen+o.back(line.ID) <= known.Fen):"},
	{"a refund beyond the price takes other points", "* max(0, line.Fen-o.back(id)) /", "* (line.Fen - o.back(id)) /"},
	{"what went back beyond the price is forgotten", "max(0, o.back(id)-line.Fen)", "0"},
	{"a cancelled order keeps its points", " || !o.first[Cancelled].IsZero()", ""},

	// Settlement.
	{"the window opens at payment", "if !late || !completed.Before(line.at) {", "if late && !late {"},
	{"the last completion counts", "slices.SortFunc(o.completed, time.Time.Compare)", "slices.SortFunc(o.completed, func(x, y time.Time) int { return y.Compare(x) })"},
	{"a window closes a moment late", "|| o.closes(line).After(now)", "|| !o.closes(line).Before(now)"},
	{"a line that is told after settlement is available", "s.inForce(in.At), pending + o.id}", "s.inForce(in.At), func() string {\nfor _, other := range o.lines {\nif other.pot <= endless {\nreturn other.pot\n}\n}\nreturn pending + o.id\n}()}"},
	{"a late line settles with the others", "|| o.closes(line).After(now)", ""},
	{"an old completion confirms a late line", "!late || !completed.Before(line.at)", "!late || late"},
	{"a late line is never confirmed", "!late || !completed.Before(line.at)", "!late"},
	{"what is due last settles first", "due[x].Compare(due[y])", "due[y].Compare(due[x])"},

	// Lots and their end.
	{"the last lot is spent first", "sorted := slices.Sorted(maps.Keys(p))", "sorted := slices.Sorted(maps.Keys(p))\nslices.Reverse(sorted)"},
	{"ended points are spent", "pot <= end(now) || ", ""},
	{"points are good at their end", "pot <= end(now)", "pot < end(now)"},
	{"pending points are spent", " || pot > endless", ""},
	{"points end a month early", "time.Month(v.Months)+1", "time.Month(v.Months)"},
	{"months end in Greenwich", "now.UTC().Add(shanghai)", "now.UTC()"},
	{"a refund takes what ends first", "m.Debt += m.move(max(0, -points), Pots{}, pot)", "m.Debt += max(0, -points)"},
	{"a refund of ended points makes debt", "m.move(max(0, -points), Pots{}, pot)", "m.move(max(0, -points), Pots{}, slices.DeleteFunc([]string{pot}, func(pot string) bool { return pot <= end(now) })...)"},

	// Debt.
	{"a refund stops at zero", "\tm.Debt += m.move(max(0, -points), Pots{}, pot)\n\tm.Debt = m.move(m.Debt, Pots{}, m.lots(now)...)", "\tm.move(m.move(max(0, -points), Pots{}, pot), Pots{}, m.lots(now)...)"},
	{"credits leave debt", "m.Debt = m.move(m.Debt, Pots{}, m.lots(now)...)", "if points <= 0 {\nm.Debt = m.move(m.Debt, Pots{}, m.lots(now)...)\n}"},

	// Owners.
	{"a name goes to who has it last", "cmp.Or(s.owners[name], m.whole, m)", "cmp.Or(m.whole, m)"},
	{"a claim beats a name", "for _, name := range in.Names {\n\t\to.owner", "for _, name := range append(o.names, in.Names...) {\n\t\to.owner = cmp.Or(o.owner, s.owners[o.id+name])\n\t\to.owner"},
	{"the last claim stands", "cmp.Or(s.owners[o.id+in.Proof], s.Members[in.Person])", "s.Members[in.Person]"},
	{"a claim does not wait", "for _, name := range o.names {\n", "for _, name := range o.names {\nif in.Kind != Claimed {\ncontinue\n}\n"},

	// Merging.
	{"a merge leaves ended points behind", "m.add(pot, part.Pots[pot], now)", "if pot > end(now) {\nm.add(pot, part.Pots[pot], now)\n}"},
	{"a merge leaves pending points behind", "m.add(pot, part.Pots[pot], now)", "if pot <= endless {\nm.add(pot, part.Pots[pot], now)\n}"},
	{"a merge forgets debt", "m.Debt += m.move(part.Debt, part.covered, m.lots(now)...)", "m.move(part.Debt, part.covered, m.lots(now)...)"},
	{"a merge does not cover debt", "m.Debt += m.move(part.Debt, part.covered, m.lots(now)...)", "m.Debt += part.Debt"},
	{"a part's later orders are the part's alone", "m.add(line.pot, worth-s.Points[id], in.Now)", "m.add(line.pot, worth-s.Points[id], in.Now)\nif m.whole != nil {\nbreak\n}"},
	{"a part's orders settle for the part alone", "m.add(line.pot, s.Points[id], now)", "m.add(line.pot, s.Points[id], now)\nif m.whole != nil {\nbreak\n}"},
	{"a part spends its own", "m = cmp.Or(m.whole, m)\n", ""},
	{"a part's new names are its own", "cmp.Or(s.owners[name], m.whole, m)", "cmp.Or(s.owners[name], m)"},

	// And its undoing.
	{"what was spent meanwhile is forgiven", "m.add(pot, -points, now)", "m.add(pot, -min(points, m.Pots[pot]), now)"},
	{"ended points stay with the whole", "m.add(pot, -points, now)", "if pot > end(now) {\nm.add(pot, -points, now)\n}"},
	{"debt stays with the whole", "m.Debt -= debt\n", ""},
	{"debt that was covered does not come back", "m.Pots[today] += part.covered.move(part.Debt-debt, m.Pots,", "part.covered.move(0, m.Pots,"},
	{"debt comes back to the lot of today", "part.covered.move(part.Debt-debt, m.Pots,", "part.covered.move(part.Debt-debt, Pots{},"},
	{"debt that arose later does not come back", "m.Pots[today] += part.covered", "part.covered"},
}

// Each planted error makes the model answer otherwise, and soon. The ledger, which
// answers as the model does (TestTheLedgerIsTheModel), need not run for that.
func TestPlantedErrorsAreFound(t *testing.T) {
	began := time.Now()
	module := t.TempDir()
	write(t, filepath.Join(module, "go.mod"), "module planted\n\ngo 1.26\n")
	write(t, filepath.Join(module, "replay", "replay.go"), read(t, "testdata/replay/replay.go"))
	model, imports, calls := read(t, "model.go"), "", ""
	add := func(name, model string) {
		write(t, filepath.Join(module, name, "model.go"), model)
		write(t, filepath.Join(module, name, "history.go"), read(t, "history.go"))
		write(t, filepath.Join(module, name, "purchases.go"), read(t, "purchases.go"))
		imports += fmt.Sprintf("import %s \"planted/%[1]s\"\n", name)
		calls += fmt.Sprintf("\tfmt.Println(replay.First(histories, %s.After))\n", name)
	}
	add("sound", model)
	for i, e := range planted {
		if n := strings.Count(model, e.old); n != 1 {
			t.Fatalf("%s: the old text occurs %d times in the model", e.name, n)
		}
		add(fmt.Sprintf("planted%d", i), strings.Replace(model, e.old, e.new, 1))
	}
	write(t, filepath.Join(module, "main.go"), "package main\n\nimport \"fmt\"\nimport \"planted/replay\"\n"+imports+
		"\nfunc main() {\n\thistories := replay.Read(\"histories.json\")\n"+calls+"}\n")
	record(t, filepath.Join(module, "histories.json"))

	run := exec.Command("go", "run", ".")
	run.Dir = module
	run.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	output, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	sound, answers, _ := strings.Cut(string(output), "\n")
	if sound != "0" {
		t.Fatalf("the model itself answers otherwise for history %s", sound)
	}
	var found []int
	for i, answer := range strings.Fields(answers) {
		n, err := strconv.Atoi(answer)
		if err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		if n == 0 {
			t.Errorf("%-52s not found in %d histories", planted[i].name, plantedWithin)
			continue
		}
		t.Logf("%-52s history %4d", planted[i].name, n)
		found = append(found, n)
	}
	if len(found) != len(planted) {
		t.Fatalf("%d of %d planted errors found", len(found), len(planted))
	}
	slices.Sort(found)
	t.Logf("%d of %d planted errors found within %d histories, half of them within %d, in %.1f s",
		len(found), len(planted), found[len(found)-1], found[len(found)/2], time.Since(began).Seconds())
}

// record writes histories with what the model answers. They are the same each
// time.
func record(t *testing.T, name string) {
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	histories, encoder := rapid.Custom(draw), json.NewEncoder(file)
	for seed := range plantedWithin {
		h := histories.Example(seed)
		state := reference.After(h.program(), h.inputs)
		if err := encoder.Encode(map[string]any{"Program": h.program(), "Inputs": h.inputs, "State": state}); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, name string) string {
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func write(t *testing.T, name, content string) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

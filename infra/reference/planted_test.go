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
	{"a line is rounded up", "/ o.rules.PerFen", "/ o.rules.PerFen + min(1, o.rules.Points*max(0, o.kept(line))%o.rules.PerFen)"},
	{"the newest rules decide", "slices.IndexFunc(s.program, func(v Version) bool { return !v.From.After(at) })", "0"},
	{"rules begin a moment late", "return !v.From.After(at)", "return v.From.Before(at)"},
	{"the last telling of a line stands", "cmp.Or(o.lines[line.ID], &held{line, pot})", "&held{line, cmp.Or(o.lines[line.ID], &held{pot: pot}).pot}"},

	// Refunds.
	{"single refunds and their total add up", "return min(kept, line.Fen-o.refunds", "return min(kept, kept-o.refunds"},
	{"the last running total stands", "in.Refund != \"\" || back.Fen <= known", "in.Refund != \"\" || back.Fen == known"},
	{"a repeated refund counts again", "o.refunds[key] = back.Fen", "o.refunds[key] += back.Fen"},
	{"a refund before its line is dropped", "o.refunds[key] = back.Fen", "if o.lines[back.ID] != nil {\no.refunds[key] = back.Fen\n}"},
	{"the whole price cannot be refunded", "o.kept(line) < 0", "o.kept(line) <= 0"},
	{"a refused refund is kept in part", "o.refunds = before\n", "_ = before\n"},
	{"an early refund beyond the price takes other points", "max(0, o.kept(line))", "o.kept(line)"},
	{"a cancelled order keeps its points", " || !o.first[Cancelled].IsZero()", ""},

	// Settlement.
	{"the window opens at payment", "!completed.IsZero()", "false"},
	{"the last completion counts", "cmp.Or(o.first[in.Kind], in.At)", "in.At"},
	{"a window closes a moment late", "o.closes().After(now)", "!o.closes().Before(now)"},
	{"a line that is told after settlement is pending", "if o.settled {", "if false {"},
	{"what is due last settles first", "x.closes().Compare(y.closes())", "y.closes().Compare(x.closes())"},

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
	{"a part's later orders are his alone", "m.add(line.pot, worth-s.Points[id], in.Now)", "m.add(line.pot, worth-s.Points[id], in.Now)\nif m.whole != nil {\nbreak\n}"},
	{"a part's orders settle for him alone", "delete(m.Pots, pending+o.id)", "delete(m.Pots, pending+o.id)\nif m.whole != nil {\nbreak\n}"},
	{"a part spends his own", "m = cmp.Or(m.whole, m)\n", ""},
	{"a part's new names are his own", "cmp.Or(s.owners[name], m.whole, m)", "cmp.Or(s.owners[name], m)"},

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

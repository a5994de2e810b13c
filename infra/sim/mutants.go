package sim

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Mutant is one planted bug: a place in the code, what stands there, what a
// hurried hand might have written instead, and why that is wrong.
type Mutant struct {
	Name   string `json:"-"`
	File   string `json:"file"` // from the repository's root
	Old    string `json:"old"`  // occurs exactly once
	New    string `json:"new"`
	Reason string `json:"reason"`
}

// mutantSeeds is how many seeds a mutant may survive.
const mutantSeeds = 1000

// Mutants reads the planted bugs, by name.
func Mutants(folder fs.FS) ([]Mutant, error) {
	paths, err := fs.Glob(folder, "*.json")
	if err != nil {
		return nil, err
	}
	var mutants []Mutant
	for _, path := range paths {
		raw, err := fs.ReadFile(folder, path)
		if err != nil {
			return nil, err
		}
		m := Mutant{Name: strings.TrimSuffix(path, ".json")}
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		mutants = append(mutants, m)
	}
	return mutants, nil
}

// Apply is the file with the bug in it. It fails unless the old text occurs
// exactly once, so that a mutant does not outlive the code it was made for.
func (m Mutant) Apply(source []byte) ([]byte, error) {
	if n := strings.Count(string(source), m.Old); n != 1 {
		return nil, fmt.Errorf("%s: the old text occurs %d times in %s", m.Name, n, m.File)
	}
	return []byte(strings.Replace(string(source), m.Old, m.New, 1)), nil
}

// Hunt is how a mutant fared.
type Hunt struct {
	Caught    bool
	Seed      int
	Invariant string
	Took      time.Duration
	Output    string // of the tests, when it was not caught
}

var caught = regexp.MustCompile(`seed=(\d+) commit=\d+ (\w+):`)

// Hunt tests the package with the bug laid over the tree, which stays as it
// is. root is the repository's.
func (m Mutant) Hunt(root string) (Hunt, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return Hunt{}, err
	}
	path := filepath.Join(root, filepath.FromSlash(m.File))
	source, err := os.ReadFile(path)
	if err != nil {
		return Hunt{}, err
	}
	mutated, err := m.Apply(source)
	if err != nil {
		return Hunt{}, err
	}
	folder, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return Hunt{}, err
	}
	defer os.RemoveAll(folder)
	planted := filepath.Join(folder, "planted.go")
	if err := os.WriteFile(planted, mutated, 0o600); err != nil {
		return Hunt{}, err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: planted}})
	if err != nil {
		return Hunt{}, err
	}
	list := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return Hunt{}, err
	}
	began := time.Now()
	test := exec.Command("go", "test", "-vet=off", "-count=1", "-overlay", list, "./infra/sim", "-run", "^TestSeeds$", "-seeds", strconv.Itoa(mutantSeeds), "-stop") // #nosec G204 -- our own arguments
	test.Dir = root
	output, err := test.CombinedOutput()
	hunt := Hunt{Took: time.Since(began)}
	if found := caught.FindSubmatch(output); err != nil && found != nil {
		hunt.Caught, hunt.Invariant = true, string(found[2])
		hunt.Seed, err = strconv.Atoi(string(found[1]))
		return hunt, err
	}
	hunt.Output = string(output)
	return hunt, nil
}

// HuntMutants hunts those whose name holds the text and writes how each was
// caught; false when one was not.
func HuntMutants(out io.Writer, root, named string) bool {
	began := time.Now()
	mutants, err := Mutants(os.DirFS(filepath.Join(root, "infra", "sim", "testdata", "mutants")))
	if err != nil {
		fmt.Fprintln(out, err)
		return false
	}
	mutants = slices.DeleteFunc(mutants, func(m Mutant) bool { return !strings.Contains(m.Name, named) })
	type outcome struct {
		Hunt
		err error
	}
	outcomes := make([]chan outcome, len(mutants))
	places := make(chan struct{}, runtime.GOMAXPROCS(0)) // most of a hunt is the compiler's time, and half of that one core's
	for i, m := range mutants {
		outcomes[i] = make(chan outcome, 1)
		go func() {
			places <- struct{}{}
			hunt, err := m.Hunt(root)
			<-places
			outcomes[i] <- outcome{hunt, err}
		}()
	}
	var seeds []int
	for i, m := range mutants {
		hunt := <-outcomes[i]
		switch {
		case hunt.err != nil:
			fmt.Fprintf(out, "  %-40s %v\n", m.Name, hunt.err)
		case !hunt.Caught:
			fmt.Fprintf(out, "  %-40s NOT CAUGHT in %d seeds\n%s\n", m.Name, mutantSeeds, hunt.Output)
		default:
			seeds = append(seeds, hunt.Seed)
			fmt.Fprintf(out, "  %-40s seed %4d  %-5s %5.1f s  %s\n", m.Name, hunt.Seed, hunt.Invariant, hunt.Took.Seconds(), m.Reason)
		}
	}
	slices.Sort(seeds)
	median, worst := 0, 0
	if len(seeds) > 0 {
		median, worst = seeds[len(seeds)/2], seeds[len(seeds)-1]
	}
	fmt.Fprintf(out, "mutants: %d/%d caught, median seed %d, worst %d, seconds=%.1f\n", len(seeds), len(mutants), median, worst, time.Since(began).Seconds())
	return len(seeds) == len(mutants) && len(mutants) > 0
}

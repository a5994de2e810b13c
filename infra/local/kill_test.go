package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// asProgram in the environment makes this very binary the program instead of
// its tests (see TestMain): what is killed here is main as a process of its
// own, with the race detector where the tests have it.
const asProgram = "HUITOU_RUN_AS_PROGRAM"

// program is the command of a process that reads these variables.
func program(t *testing.T, variables ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path)
	command.Env = append(append(os.Environ(), asProgram+"=1"), variables...)
	return command
}

// child is the program in a process that can be killed.
type child struct {
	*process
	command *exec.Cmd
	killed  bool
}

// spawn starts the program and waits for its greeting.
func spawn(t *testing.T, folder string) *child {
	t.Helper()
	c := &child{
		process: &process{folder: folder, printed: newTranscript(), logged: newTranscript(), client: newClient()},
		command: program(t, "HUITOU_ADDR=127.0.0.1:0", "HUITOU_DATA="+folder, "HUITOU_DEMO=0",
			"HUITOU_OPERATOR_TOKEN=kill-test-operator", "HUITOU_WEBHOOK_SECRET=whsec_aHVpdG91LXRlc3Qtc2VjcmV0LTAwMDAwMDAwMDE="),
	}
	c.command.Stdout, c.command.Stderr = c.printed, c.logged
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !c.killed {
			c.kill(t)
		}
	})
	select {
	case <-c.printed.greeted:
	case <-time.After(startTime):
		t.Fatalf("the process is not up after %s:\n%s%s", startTime, c.printed, c.logged)
	}
	if err := c.readGreeting(); err != nil {
		t.Fatal(err)
	}
	return c
}

// kill is kill -9: nothing in the process gets to say goodbye.
func (c *child) kill(t *testing.T) {
	t.Helper()
	c.killed = true
	if err := c.command.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = c.command.Wait() // it says that the process was killed
	c.client.CloseIdleConnections()
}

// load is what clients have sent, by order, and whether it was acknowledged.
type load struct {
	mu           sync.Mutex
	sent         map[string]bool
	acknowledged atomic.Int32
}

// run sends orders of its own names from many clients at once until died is
// closed or the process no longer answers.
func (l *load) run(t *testing.T, c *child, name string, clients, buyers int, died chan struct{}) *sync.WaitGroup {
	group := &sync.WaitGroup{}
	now := time.Now()
	for client := range clients {
		group.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-died:
					return
				default:
				}
				order := fmt.Sprintf("%s-%d-%d", name, client, n)
				body, err := json.Marshal(milk(order, fmt.Sprint("load-", rand.IntN(buyers)), 1_000, now))
				if err != nil {
					t.Error(err)
					return
				}
				header, err := sign(c.secret, "msg_"+order, time.Now(), body)
				if err != nil {
					t.Error(err)
					return
				}
				l.note(order, false)
				a, err := c.call(http.MethodPost, genericHook, header, body)
				if err != nil {
					return // it died
				}
				if a.status != http.StatusAccepted {
					t.Errorf("%d %s", a.status, a.body)
					return
				}
				l.note(order, true)
				l.acknowledged.Add(1)
			}
		})
	}
	return group
}

func (l *load) note(order string, acknowledged bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[order] = acknowledged
}

// kill -9 under load, three times, and once more while the process works off
// what was left. An acknowledged order is credited once; one whose answer never
// came, once or not at all.
func TestKillUnderLoadLosesAndDoublesNothing(t *testing.T) {
	const (
		rounds  = 3
		clients = 64
		buyers  = 8
		enough  = 600 // acknowledged orders of a round, then the process dies
	)
	folder := t.TempDir()
	l := &load{sent: map[string]bool{}}
	var members []string
	for round := range rounds {
		c := spawn(t, folder)
		for i := len(members); i < buyers; i++ {
			members = append(members, c.member(t, buyerOf(fmt.Sprint("load-", i))))
		}
		died := make(chan struct{})
		before := l.acknowledged.Load()
		group := l.run(t, c, fmt.Sprint("LOAD-", round), clients, buyers, died)
		eventually(t, fmt.Sprint(enough, " orders are acknowledged"), func() bool { return l.acknowledged.Load()-before >= enough })
		c.kill(t)
		close(died)
		group.Wait()
	}
	spawn(t, folder).kill(t)
	c := spawn(t, folder)
	up := time.Now()
	c.rest(t)
	t.Logf("%d orders acknowledged, %d without an answer; at rest %s after the last start",
		l.acknowledged.Load(), len(l.sent)-int(l.acknowledged.Load()), time.Since(up).Round(time.Millisecond))

	credited := map[string]int{}
	for _, member := range members {
		for _, e := range c.ledger(t, member) {
			if e.Kind != "earn" || e.Pending != 10 {
				t.Errorf("the ledger has %+v", e)
			}
			credited[e.OrderID]++
		}
	}
	for order, acknowledged := range l.sent {
		if times := credited[order]; times > 1 || acknowledged && times != 1 {
			t.Errorf("order %s (acknowledged: %t) is credited %d times", order, acknowledged, times)
		}
		delete(credited, order)
	}
	if len(credited) > 0 {
		t.Errorf("credited without having been sent: %v", credited)
	}
	for _, q := range c.queues(t) {
		if q.Dead > 0 {
			t.Errorf("dead letters: %+v", q)
		}
	}
}

// Bad values are refused by the name of their variable, by the program itself.
func TestProgramRefusesBadVariables(t *testing.T) {
	for variable, values := range map[string][]string{
		"HUITOU_ADDR":           {"8080", "127.0.0.1", "127.0.0.1:", "300.0.0.1:80", "127.0.0.1:99999"},
		"HUITOU_OPERATOR_TOKEN": {"with space", "牛奶", "line\nbreak"},
		"HUITOU_WEBHOOK_SECRET": {"secret", "whsec_", "whsec_AAAA", "whsec_***", "AAAAAAAAAAAAAAAAAAAAAAAA"},
		"HUITOU_DEMO":           {"no", "2", "true"},
	} {
		for _, value := range values {
			folder := filepath.Join(t.TempDir(), "data")
			command := program(t, "HUITOU_DATA="+folder, "HUITOU_ADDR=127.0.0.1:0", variable+"="+value)
			var out, errs bytes.Buffer
			command.Stdout, command.Stderr = &out, &errs
			err := command.Run()
			failure, ok := err.(*exec.ExitError)
			if !ok || failure.ExitCode() != 1 || !bytes.Contains(errs.Bytes(), []byte(variable)) || bytes.Count(errs.Bytes(), []byte("\n")) != 1 {
				t.Errorf("%s=%q: %v\n%s%s", variable, value, err, out.String(), errs.String())
			}
			if variable != "HUITOU_ADDR" && len(value) > len("whsec_") && bytes.Contains(errs.Bytes(), []byte(value)) {
				t.Errorf("%s: the secret is printed: %s", variable, errs.String())
			}
		}
	}
}

// Somebody who asks for help must not have started a shop instead.
func TestProgramTakesNoArguments(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	command := program(t, "HUITOU_DATA="+folder, "HUITOU_ADDR=127.0.0.1:0")
	command.Args = append(command.Args, "--help")
	out, err := command.CombinedOutput()
	if failure, ok := err.(*exec.ExitError); !ok || failure.ExitCode() != 1 || !bytes.Contains(out, []byte("takes no arguments")) || !bytes.Contains(out, []byte("HUITOU_ADDR")) {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data folder was made: %v", err)
	}
}

// The real thing: Ctrl-C is a signal, and it ends well.
func TestInterruptEndsTheProgram(t *testing.T) {
	c := spawn(t, t.TempDir())
	if err := c.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.command.Wait() }()
	select {
	case err := <-ended:
		c.killed = true
		if err != nil {
			t.Errorf("after Ctrl-C it ends with %v\n%s", err, c.logged)
		}
	case <-time.After(closeTime + 5*time.Second):
		t.Fatal("it still runs")
	}
	if text := c.logged.String(); text != "" {
		t.Errorf("it complained:\n%s", text)
	}
	if _, err := c.call(http.MethodGet, "/healthz", nil, nil); err == nil {
		t.Error("it still answers")
	}
}

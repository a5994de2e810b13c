//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long one tab may take on a busy machine.
const (
	patience = 90 * time.Second
	stepTime = 20 * time.Second // for a few actions; what takes longer will not come
)

// brand is the local process with its demo brand.
type brand struct{ address, token string }

// chromium is the browser's path.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no chromium is found in PATH; install it (Debian and Ubuntu: apt-get install chromium)")
	return ""
}

var greeting = regexp.MustCompile(`console +(http://\S+)/console\n[\s\S]*operator token +(\S+)\n[\s\S]*Ctrl-C stops it\.`)

// output keeps what the process prints until the greeting is whole.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	found chan []string
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if found := greeting.FindStringSubmatch(o.text.String()); found != nil && o.found != nil {
		o.found <- found
		o.found = nil
	}
	return len(p), nil
}

// open builds the program as `make run` does and starts it.
func open(t *testing.T) brand {
	t.Helper()
	return openWith(t, t.TempDir())
}

// openWith is open on a data folder that something is in already.
func openWith(t *testing.T, folder string) brand {
	t.Helper()
	program := filepath.Join(t.TempDir(), "huitou-local")
	if text, err := exec.Command("go", "build", "-trimpath", "-o", program, "../local").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	found := make(chan []string, 1)
	printed := &output{found: found}
	command := exec.Command(program)
	command.Env = append(os.Environ(), "HUITOU_ADDR=127.0.0.1:0", "HUITOU_DATA="+folder)
	command.Stdout, command.Stderr = printed, os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("the process ended with %v", err)
		}
	})
	select {
	case lines := <-found:
		return brand{lines[1], lines[2]}
	case <-time.After(patience):
		t.Fatal("the process does not come up")
		return brand{}
	}
}

// call reads, or with a document posts, by a token, "" for nobody's.
func (b brand) call(t *testing.T, token, path string, document any) []byte {
	t.Helper()
	if document == nil {
		return b.send(t, http.MethodGet, token, path, nil)
	}
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return b.send(t, http.MethodPost, token, path, raw)
}

// send is one call of the API, which must be answered well.
func (b brand) send(t *testing.T, method, token, path string, body []byte) []byte {
	t.Helper()
	request, err := http.NewRequest(method, b.address+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", rand.Text())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("%s: %d %s %v", path, response.StatusCode, raw, err)
	}
	return raw
}

// batch makes a batch that is open now, of the name and with what else it has.
func (b brand) batch(t *testing.T, name string, document map[string]any) (id string, addresses []string) {
	t.Helper()
	document["name"], document["rules_text"] = name, "每张卡可用一次"
	document["valid_from"], document["valid_to"] = time.Now().Add(-time.Hour).Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339)
	var made struct{ ID string }
	if err := json.Unmarshal(b.call(t, b.token, "/v1/card-batches", document), &made); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		var operator struct{ Token string }
		raw := b.call(t, b.token, "/v1/operators", map[string]any{"name": fmt.Sprint("e2e.", made.ID, ".", i), "role": "operator"})
		if err := json.Unmarshal(raw, &operator); err != nil {
			t.Fatal(err)
		}
		b.call(t, operator.Token, "/v1/card-batches/"+made.ID+"/activation", map[string]any{})
	}
	rows, err := csv.NewReader(bytes.NewReader(b.call(t, b.token, "/v1/card-batches/"+made.ID+"/cards.csv", nil))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		addresses = append(addresses, row[1])
	}
	return made.ID, addresses
}

// tab is a page in a browser of its own, and what it did on the network.
type tab struct {
	ctx   context.Context
	shots string

	mu       sync.Mutex
	requests []string
	weight   float64
	troubles []string
}

// newTab is a phone of 390 × 844 points with touch, or a desk.
func newTab(t *testing.T, phone bool) *tab {
	t.Helper()
	b := &tab{shots: filepath.Join(os.TempDir(), "huitou-e2e")}
	if err := os.MkdirAll(b.shots, 0o755); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.DisableGPU, chromedp.Flag("accept-lang", "zh-CN"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // chromium refuses its sandbox to root
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(b.listen))
	t.Cleanup(cancel)
	b.ctx = ctx
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	size := chromedp.EmulateViewport(1280, 800)
	if phone {
		size = chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	b.do(t, "opening the browser", size, command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}))
	return b
}

func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, c, params)
		return err
	})
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *network.EventLoadingFinished:
		b.weight += e.EncodedDataLength
	case *runtime.EventExceptionThrown:
		b.troubles = append(b.troubles, "exception: "+e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "401") {
			b.troubles = append(b.troubles, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

func (b *tab) do(t *testing.T, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTime)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.shoot(t, "failed-"+strings.ReplaceAll(t.Name(), "/", "-"))
		t.Fatalf("%s: %v", what, err)
	}
}

func ask[T any](t *testing.T, b *tab, action chromedp.Action[T]) T {
	t.Helper()
	answer, err := chromedp.Run(b.ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func (b *tab) shoot(t *testing.T, name string) {
	t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Logf("no picture of %s: %v", name, err)
		return
	}
	b.keep(t, name, picture)
}

func (b *tab) keep(t *testing.T, name string, picture []byte) {
	t.Helper()
	path := filepath.Join(b.shots, name+".png")
	if err := os.WriteFile(path, picture, 0o600); err != nil {
		t.Error(err)
	}
	t.Log("picture:", path)
}

// stayed demands that nothing went to another origin and nothing went wrong.
func (b *tab) stayed(t *testing.T, origin string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.requests) == 0 {
		t.Error("no request was seen: the listener is deaf")
	}
	for _, address := range b.requests {
		if !strings.HasPrefix(strings.ToLower(address), origin+"/") && !strings.HasPrefix(address, "data:") {
			t.Errorf("a request left the origin: %s", address)
		}
	}
	for _, trouble := range b.troubles {
		t.Errorf("the browser complains: %s", trouble)
	}
}

// fits demands that nothing has to be scrolled sideways.
func (b *tab) fits(t *testing.T, where string) {
	t.Helper()
	wide := ask(t, b, chromedp.Evaluate[int](`Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth`))
	if wide > 0 {
		t.Errorf("%s is %d points wider than the screen", where, wide)
	}
}

func touch(kind input.DispatchTouchEventType, at ...*input.TouchPoint) chromedp.Action[chromedp.Void] {
	if at == nil {
		at = []*input.TouchPoint{}
	}
	return command(input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: at})
}

// rub goes over the whole stage with one finger.
func (b *tab) rub(t *testing.T) {
	t.Helper()
	b.do(t, "waiting for the cover", chromedp.WaitVisible("#cover"), chromedp.ScrollIntoView("#stage"))
	box := ask(t, b, chromedp.Evaluate[[]float64](`(() => { const r = document.getElementById('stage').getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()`))
	at := func(x, y float64) *input.TouchPoint { return &input.TouchPoint{X: box[0] + x, Y: box[1] + y} }
	steps := []chromedp.Action[chromedp.Void]{touch(input.DispatchTouchEventTypeTouchStart, at(4, 10))}
	for y := 10.0; y < box[3]; y += 24 {
		for step := range 9 {
			steps = append(steps, touch(input.DispatchTouchEventTypeTouchMove, at(4+(box[2]-8)*float64(step)/8, y)))
		}
	}
	b.do(t, "scratching", append(steps, touch(input.DispatchTouchEventTypeTouchEnd))...)
}

// tabTo presses the Tab key until the element has the focus.
func (b *tab) tabTo(t *testing.T, id string) {
	t.Helper()
	for range 30 {
		b.do(t, "pressing Tab", chromedp.KeyEvent("\t"))
		if ask(t, b, chromedp.Evaluate[string](`document.activeElement ? document.activeElement.id : ''`)) == id {
			return
		}
	}
	t.Fatalf("the Tab key does not reach %s", id)
}

// stayedButFor is stayed where pages were answered with these statuses on
// purpose, which the browser tells as errors.
func (b *tab) stayedButFor(t *testing.T, origin string, statuses ...string) {
	t.Helper()
	b.mu.Lock()
	b.troubles = slices.DeleteFunc(b.troubles, func(trouble string) bool {
		return slices.ContainsFunc(statuses, func(status string) bool { return strings.Contains(trouble, status) })
	})
	b.mu.Unlock()
	b.stayed(t, origin)
}

func TestConsoleShowsTheDemoBrand(t *testing.T) {
	shop := open(t)
	for name, phone := range map[string]bool{"desk": false, "phone": true} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, phone)
			b.do(t, "opening the console", chromedp.Navigate(shop.address+"/console"), chromedp.WaitVisible("#token"),
				chromedp.SendKeys("#token", "not-a-token"), chromedp.Click("#sign-in-submit"), chromedp.WaitVisible("#sign-in-error:not(:empty)"))
			if ask(t, b, chromedp.Evaluate[bool](`!document.getElementById('nav').hidden`)) {
				t.Error("a wrong token signs in")
			}
			b.do(t, "giving the right token", chromedp.SetValue("#token", shop.token))
			b.do(t, "signing in", chromedp.Click("#sign-in-submit"), chromedp.WaitVisible("#nav"))
			b.shoot(t, "console-"+name)
			b.do(t, "adding up what is owed", chromedp.WaitVisible("#liability-run"), chromedp.Click("#liability-run"),
				chromedp.WaitVisible("#liability-difference"), chromedp.ScrollIntoView("#liability"))
			if left := ask(t, b, chromedp.Text("#liability-difference strong")); !strings.HasPrefix(left, "0 ") {
				t.Errorf("double entry leaves %s over", left)
			}
			b.fits(t, "liability")
			b.shoot(t, "console-"+name+"-liability")
			for view, shown := range map[string]string{"cards": "新客包裹卡", "campaigns": "周三周五奶粉日"} {
				b.do(t, "showing "+view, chromedp.Click("#nav-"+view),
					chromedp.WaitVisible(fmt.Sprintf(`//*[@id="view"]//*[contains(text(), %q)]`, shown)))
				b.fits(t, view)
				b.shoot(t, "console-"+name+"-"+view)
			}
			b.stayed(t, shop.address)
			b.mu.Lock()
			defer b.mu.Unlock()
			t.Logf("the console weighs %.0f bytes in %d requests", b.weight, len(b.requests))
		})
	}
}

// A test of two red packets: as many redeem either, the small one costs less.
func TestConsoleTellsWhichArmIsBetter(t *testing.T) {
	shop := open(t)
	redPacket := func(fen int) []map[string]any {
		return []map[string]any{{"kind": "red_packet", "value": fen, "quantity": 1000}}
	}
	id, addresses := shop.batch(t, "红包大小测试", map[string]any{"count": 2000, "card_cost": 20, "arms": []map[string]any{
		{"name": "一元红包", "form": "reveal", "weight": 1, "prizes": redPacket(100)},
		{"name": "三元红包", "form": "scratch", "weight": 1, "prizes": redPacket(300)},
	}})
	for i, address := range addresses[:240] {
		_, code, _ := strings.Cut(address, "/C/")
		shop.call(t, "", "/C/"+code+"/redemption", map[string]any{"identity": map[string]string{"kind": "openid", "channel": "wechat", "value": fmt.Sprint("e2e-", i)}})
	}
	for name, phone := range map[string]bool{"desk": false, "phone": true} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, phone)
			b.do(t, "opening the batch", chromedp.Navigate(shop.address+"/console/cards/"+id), chromedp.WaitVisible("#token"),
				chromedp.SetValue("#token", shop.token), chromedp.Click("#sign-in-submit"), chromedp.WaitVisible("#verdict"), chromedp.ScrollIntoView("#result"))
			if text := ask(t, b, chromedp.Text("#verdict")); !strings.Contains(text, "“一元红包”更好") {
				t.Errorf("the verdict is %q", text)
			}
			if bars := ask(t, b, chromedp.Evaluate[int](`[...document.querySelectorAll('#result-table .band')].filter((b) => b.getBoundingClientRect().width > 1).length`)); bars < 6 {
				t.Errorf("%d intervals are drawn, want three of each arm", bars)
			}
			b.fits(t, "the result")
			b.shoot(t, "console-"+name+"-result")
			b.stayed(t, shop.address)
		})
	}
}

package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/huitou/huitou/functions/receiveorders"
	"github.com/huitou/huitou/infra/cli"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

const secret = "whsec_aHVpdG91LXRlc3Qtc2VjcmV0LTAwMDAwMDAwMDE="

const fixtures = "../../shared/orders/export/testdata/"

// stack is the function that receives orders, behind HTTP as API Gateway would
// call it, and the queue behind that.
type stack struct {
	*httptest.Server
	lock   sync.Mutex
	queued []orders.Event
	// before is asked about each request, counted from 1; a status other than 0
	// is the answer.
	before func(n int) int
	calls  int
}

func (s *stack) Send(_ context.Context, bodies ...[]byte) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, body := range bodies {
		event, err := orders.DecodeQueued(body)
		if err != nil {
			return err
		}
		s.queued = append(s.queued, event)
	}
	return nil
}

func newStack(t *testing.T, before func(n int) int) *stack {
	t.Helper()
	s := &stack{before: before}
	function := receiveorders.Function{
		Orders: s, Secrets: receiveorders.Secrets{Webhook: []string{secret}}, PhoneKey: bytes.Repeat([]byte{7}, 32),
		Clock: time.Now, RealClock: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.lock.Lock()
		s.calls++
		call := s.calls
		s.lock.Unlock()
		if s.before != nil {
			if status := s.before(call); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		event := events.APIGatewayV2HTTPRequest{RawPath: r.URL.EscapedPath(), Body: string(body), Headers: map[string]string{}}
		event.RequestContext.HTTP.Method = r.Method
		for name, values := range r.Header {
			event.Headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
		response, err := function.Handle(r.Context(), event)
		if err != nil {
			t.Error(err)
		}
		for name, value := range response.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(response.StatusCode)
		_, _ = io.WriteString(w, response.Body)
	}))
	t.Cleanup(s.Close)
	return s
}

// run is one command line.
func run(t *testing.T, ctx context.Context, arguments ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Main(ctx, arguments, cli.Console{Out: &stdout, Err: &stderr})
	return code, stdout.String(), stderr.String()
}

func importInto(t *testing.T, s *stack, arguments ...string) (code int, out, err string) {
	t.Helper()
	t.Setenv("HUITOU_WEBHOOK_SECRET", secret)
	return run(t, t.Context(), append([]string{"orders", "import", "--url", s.URL}, arguments...)...)
}

func TestImportTmall(t *testing.T) {
	s := newStack(t, nil)
	code, out, errText := importInto(t, s, "--channel", "tmall", fixtures+"tmall_list.gbk.csv", fixtures+"tmall_detail.gbk.csv")
	want := "unpaid   " + fixtures + "tmall_list.gbk.csv:4: order 3301000000000000003\n" +
		"orders   3 with 5 lines\npaid     ¥529.00\nrefunded ¥30.50\nunpaid   1 orders, refused 0 rows or orders\nsent     3 orders in 6 events\n"
	if code != 0 || errText != "" {
		t.Errorf("exit code %d, %s", code, errText)
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
	// The events of each order arrived in their order.
	kinds := map[string][]orders.Type{}
	var paid, refunded loyalty.Fen
	for _, event := range s.queued {
		kinds[event.OrderID] = append(kinds[event.OrderID], event.Type)
		for _, line := range event.Lines {
			paid += line.Paid
			refunded += line.RefundedTotal
		}
	}
	if diff := cmp.Diff(map[string][]orders.Type{
		"3301000000000000001": {orders.TypePaid},
		"3301000000000000002": {orders.TypePaid, orders.TypeCompleted, orders.TypeRefunded},
		"3301000000000000004": {orders.TypePaid, orders.TypeCompleted},
	}, kinds); diff != "" {
		t.Error(diff)
	}
	if paid != 52900 || refunded != 3050 {
		t.Errorf("paid %d, refunded %d reached the queue", paid, refunded)
	}
}

func TestImportTwiceSendsTheSame(t *testing.T) {
	first, second := newStack(t, nil), newStack(t, nil)
	for _, s := range []*stack{first, second} {
		if code, _, errText := importInto(t, s, "--channel", "douyin", fixtures+"douyin.utf8bom.csv"); code != 0 {
			t.Fatalf("exit code %d, %s", code, errText)
		}
	}
	byKey := func(s *stack) map[string]orders.Event {
		found := map[string]orders.Event{}
		for _, event := range s.queued {
			found[event.OrderID+string(event.Type)] = event
		}
		return found
	}
	if diff := cmp.Diff(byKey(first), byKey(second)); diff != "" || len(first.queued) != 6 {
		t.Errorf("%d events; %s", len(first.queued), diff)
	}
}

func TestReportAsJSON(t *testing.T) {
	s := newStack(t, nil)
	bad := filepath.Join(t.TempDir(), "bad.csv")
	content, err := os.ReadFile(fixtures + "douyin.utf8bom.csv")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, append(content, "1,2\r\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errText := importInto(t, s, "--channel", "douyin", "--json", bad)
	if code != 1 || !strings.Contains(errText, "1 refused") {
		t.Errorf("exit code %d, %s; want 1", code, errText)
	}
	var report map[string]any
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	want := map[string]any{
		"orders": 3.0, "lines": 5.0, "currency": "CNY", "paid": 36540.0, "refunded": 4590.0, "dry_run": false, "sent_orders": 3.0, "sent_events": 6.0,
		"unpaid":  []any{map[string]any{"file": bad, "line": 5.0, "order_id": "6990000000000000003"}},
		"refused": []any{map[string]any{"file": bad, "line": 7.0, "reason": "has 2 columns and the header 18"}},
	}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Error(diff)
	}
}

func TestDryRunSendsNothingAndNeedsNoSecret(t *testing.T) {
	s := newStack(t, nil)
	t.Setenv("HUITOU_WEBHOOK_SECRET", "")
	code, out, errText := run(t, t.Context(), "orders", "import", "--url", s.URL, "--dry-run", "--channel", "douyin", fixtures+"douyin.utf8bom.csv")
	if code != 0 || !strings.Contains(out, "orders   3 with 5 lines") || !strings.Contains(out, "nothing (--dry-run)") || s.calls != 0 {
		t.Errorf("exit code %d, %d calls, %s, %s", code, s.calls, out, errText)
	}
}

func TestImportOutlivesAStackThatIsBusy(t *testing.T) {
	s := newStack(t, func(n int) int {
		if n%2 == 1 {
			return http.StatusServiceUnavailable
		}
		return 0
	})
	code, out, errText := importInto(t, s, "--channel", "douyin", fixtures+"douyin.utf8bom.csv")
	if code != 0 || !strings.Contains(out, "sent     3 orders in 6 events") || len(s.queued) != 6 {
		t.Errorf("exit code %d, %d events, %s, %s", code, len(s.queued), out, errText)
	}
}

func TestImportStopsWhereThereIsNoUse(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		want   string
	}{
		"another secret": {http.StatusUnauthorized, "the signature was refused"},
		"another server": {http.StatusNotFound, "is --url the address of huitou?"},
		"a redirect":     {http.StatusTemporaryRedirect, "the answer was 307"},
		"a page":         {http.StatusOK, "the answer was 200"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, func(int) int { return test.status })
			code, _, errText := importInto(t, s, "--channel", "douyin", fixtures+"douyin.utf8bom.csv")
			if code != 1 || !strings.Contains(errText, test.want) || !strings.Contains(errText, "0 of 3 orders were sent") || !strings.Contains(errText, "Run the same command again") {
				t.Errorf("exit code %d, %s", code, errText)
			}
			if s.calls > 3 || strings.Contains(errText, secret) {
				t.Errorf("%d calls, %s", s.calls, errText)
			}
		})
	}
}

func TestOrdersThatTheStackRefusesAreNamed(t *testing.T) {
	s := newStack(t, nil)
	// This build's rules are the server's rules, so the refusal is made here.
	s.before = func(n int) int {
		if n == 1 {
			return http.StatusBadRequest
		}
		return 0
	}
	code, out, _ := importInto(t, s, "--channel", "douyin", fixtures+"douyin.utf8bom.csv")
	if code != 1 || !strings.Contains(out, "sent     2 orders") || !strings.Contains(out, "huitou refused the paid event: 400") {
		t.Errorf("exit code %d, %s", code, out)
	}
}

// Ctrl-C half way, then the same command again: together they send everything.
func TestInterruptedImportCanBeRunAgain(t *testing.T) {
	const many = 200
	path := filepath.Join(t.TempDir(), "many.csv")
	var content strings.Builder
	content.WriteString("主订单编号,子订单编号,商品数量,商家编码,订单应付金额,运费,订单提交时间,订单状态,售后状态\n")
	for i := range many {
		content.WriteString(strings.ReplaceAll("N,N,1,A,10.00,0.00,2026-10-01 10:00:00,已发货,-\n", "N", "69"+strings.Repeat("0", 10)+string(rune('a'+i/26))+string(rune('a'+i%26))))
	}
	if err := os.WriteFile(path, []byte(content.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	s := newStack(t, func(n int) int {
		if n == 50 {
			interrupt()
		}
		return 0
	})
	t.Setenv("HUITOU_WEBHOOK_SECRET", secret)
	arguments := []string{"orders", "import", "--url", s.URL, "--channel", "douyin", path}
	code, out, errText := run(t, ctx, arguments...)
	if code != 1 || !strings.Contains(errText, "stopped: interrupted") || !strings.Contains(errText, "Run the same command again") {
		t.Errorf("exit code %d, %s, %s", code, out, errText)
	}
	if len(s.queued) < 50 || len(s.queued) > 50+8 {
		t.Errorf("%d events were sent before it stopped", len(s.queued))
	}
	if code, _, errText := run(t, t.Context(), arguments...); code != 0 {
		t.Errorf("exit code %d, %s", code, errText)
	}
	seen := map[string]bool{}
	for _, event := range s.queued {
		seen[event.OrderID] = true
	}
	if len(seen) != many {
		t.Errorf("%d orders arrived, want %d", len(seen), many)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if code, _, errText := run(t, stopped, arguments...); code != 1 || !strings.Contains(errText, "nothing has been sent") {
		t.Errorf("exit code %d, %s", code, errText)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	locked := write("huge.csv", "")
	if err := os.Truncate(locked, 1<<30+1); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(folder, "dangling")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		path string
		code int
		want string
	}{
		"missing":             {filepath.Join(folder, "missing.csv"), 2, "there is no such file"},
		"dangling link":       {dangling, 2, "there is no such file"},
		"directory":           {folder, 2, "is a directory"},
		"pipe":                {pipe, 2, "is not a plain file"},
		"endless device":      {"/dev/zero", 2, "is not a plain file"},
		"sparse 1 GiB":        {locked, 2, "is over 1024 MiB"},
		"empty":               {write("empty.csv", ""), 1, "empty.csv:1: the file is empty"},
		"binary":              {write("binary.csv", "\x7fELF\x02\x01\x01\x00\x00"), 1, "is not a CSV file"},
		"old Excel":           {write("old.xls", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00"), 1, "is not a CSV file"},
		"ZIP of nothing":      {write("x.xlsx", "PK\x03\x04nothing"), 1, "is not a spreadsheet that can be read"},
		"UTF-16":              {write("utf16.csv", "\xff\xfea\x00"), 1, "--encoding utf-16"},
		"no columns":          {write("other.csv", "a,b\n1,2\n"), 1, "other.csv:1: columns are missing"},
		"name with an escape": {filepath.Join(folder, "\x1b[31mred"), 2, `\x1b[31mred`},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errText := run(t, t.Context(), "orders", "import", "--dry-run", "--channel", "douyin", "--", test.path)
			if code != test.code || !strings.Contains(errText, test.want) || out != "" {
				t.Errorf("exit code %d, %q, %q; want %d, %s", code, errText, out, test.code, test.want)
			}
			if strings.Contains(errText, "\x1b") {
				t.Errorf("an escape reaches the terminal: %q", errText)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	file := fixtures + "douyin.utf8bom.csv"
	for name, test := range map[string]struct {
		arguments []string
		want      string
	}{
		"no file":         {[]string{"--channel", "douyin"}, "file"},
		"no channel":      {[]string{file}, "--channel"},
		"another channel": {[]string{"--channel", "jd", file}, "tmall"},
		"no secret":       {[]string{"--channel", "douyin", file}, "HUITOU_WEBHOOK_SECRET"},
		"bad secret":      {[]string{"--channel", "douyin", "--secret", "whsec_!!", file}, "whsec_ and base64"},
		"empty key":       {[]string{"--channel", "douyin", "--secret", "whsec_", file}, "whsec_ and base64"},
		"bad address":     {[]string{"--channel", "douyin", "--url", "127.0.0.1:8080", file}, "is not an address"},
		"file address":    {[]string{"--channel", "douyin", "--url", "file:///etc", file}, "is not an address"},
		"address in two":  {[]string{"--channel", "douyin", "--url", "http://a\r\nb", file}, "is not an address"},
		"bad encoding":    {[]string{"--channel", "douyin", "--encoding", "big5", file}, "--encoding"},
		"unknown flag":    {[]string{"--channel", "douyin", "--fast", file}, "--fast"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HUITOU_WEBHOOK_SECRET", "")
			code, out, errText := run(t, t.Context(), append([]string{"orders", "import"}, test.arguments...)...)
			if code != 2 || !strings.Contains(errText, test.want) || out != "" || strings.ContainsAny(errText, "\r") {
				t.Errorf("exit code %d, %q, %q; want 2, %s", code, errText, out, test.want)
			}
		})
	}
}

func TestHelpShowsExamples(t *testing.T) {
	t.Setenv("HUITOU_WEBHOOK_SECRET", secret)
	code, out, _ := run(t, t.Context(), "orders", "import", "--help")
	for _, want := range []string{"huitou orders import ExportOrderList.csv ExportOrderDetailList.csv --channel tmall", "--dry-run", "HUITOU_WEBHOOK_SECRET", "Exit codes"} {
		if !strings.Contains(out, want) {
			t.Errorf("the help lacks %q:\n%s", want, out)
		}
	}
	if code != 0 || strings.Contains(out, secret) {
		t.Errorf("exit code %d, or the help shows the secret", code)
	}
}

// A spreadsheet gives the same orders as the CSV it was made of, also where
// the times have become dates and the amounts numbers.
func TestSpreadsheet(t *testing.T) {
	book := excelize.NewFile()
	header := []any{"主订单编号 ", "子订单编号", "商品数量", "商家编码", "订单应付金额", "运费", "订单提交时间", "订单完成时间", "订单状态", "售后状态"}
	style, err := book.NewStyle(&excelize.Style{NumFmt: 22}) // m/d/yy h:mm
	if err != nil {
		t.Fatal(err)
	}
	when := time.Date(2026, 10, 1, 8, 5, 0, 0, time.UTC)
	for cell, row := range map[string][]any{
		"A1": header,
		"A2": {"\t6990000000000000001", "\t6990000000000000001", 1, "\tMILK-900", 199.9, 0, when, "-", "已发货", "-"},
		"A4": {"6990000000000000002", "6990000000000000002", "2", "RICE-200", "45.90", "0.00", "2026-10-02 10:00:00", "2026-10-09 10:00:00", "已完成"},
		"A5": {6990000000000000003.0, "6990000000000000003", 1, "", 1, 0, "2026-10-02 10:00:00", "", "已发货", "-"},
	} {
		if err := book.SetSheetRow("Sheet1", cell, &row); err != nil {
			t.Fatal(err)
		}
	}
	if err := book.SetCellStyle("Sheet1", "G2", "G2", style); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "orders.xlsx")
	if err := book.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	s := newStack(t, nil)
	code, out, _ := importInto(t, s, "--channel", "douyin", path)
	if code != 1 || !strings.Contains(out, path+":5: 主订单编号: a spreadsheet has rounded the number") || !strings.Contains(out, "orders   2 with 2 lines\npaid     ¥245.80\n") {
		t.Errorf("exit code %d, %s", code, out)
	}
	for _, event := range s.queued {
		if event.OrderID == "6990000000000000001" && !event.OccurredAt.Equal(time.Date(2026, 10, 1, 8, 5, 0, 0, orders.Shanghai)) {
			t.Errorf("the date in the sheet became %v", event.OccurredAt)
		}
	}
}

// The samples of real exports are not part of the repository; where they lie
// beside it, an import must send all of them, right to the fen.
func TestSharedFeeds(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "shared", "feeds", "csv")
	if _, err := os.Stat(folder); err != nil {
		t.Logf("shared/feeds absent: the import was not tried on the real samples")
		return
	}
	s := newStack(t, nil)
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"--channel", "tmall", folder + "/tmall_ExportOrderList.gbk.csv", folder + "/tmall_ExportOrderDetailList.gbk.csv"}, "orders   2 with 3 lines\npaid     ¥921.58\nrefunded ¥100.00\nunpaid   1 orders, refused 0 rows or orders\nsent     2 orders in 4 events\n"},
		{[]string{"--channel", "douyin", folder + "/douyin_orders.utf8bom.csv"}, "orders   3 with 4 lines\npaid     ¥64.80\nrefunded ¥44.80\nunpaid   0 orders, refused 0 rows or orders\nsent     3 orders in 7 events\n"},
	} {
		code, out, errText := importInto(t, s, test.arguments...)
		t.Log(out)
		if code != 0 || !strings.HasSuffix(out, test.want) {
			t.Errorf("exit code %d, %s, %s", code, out, errText)
		}
	}
}

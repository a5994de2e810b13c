package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/infra/cli"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// imports runs `huitou orders import` against an address and gives its exit
// code and report.
func (p *process) imports(ctx context.Context, t *testing.T, address, channel string, files ...string) (int, cli.Report) {
	t.Helper()
	arguments := append([]string{"orders", "import", "--json", "--channel", channel, "--url", address, "--secret", p.secret}, files...)
	var out, errs bytes.Buffer
	code := cli.Main(ctx, arguments, cli.Console{Out: &out, Err: &errs})
	var report cli.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("the import ends with %d and no report: %v\n%s", code, err, errs.String())
	}
	return code, report
}

// kept is what the table holds of one order.
type kept struct {
	Paid, Refunded loyalty.Fen
	Lines          int
	Facts          int
	Completed      bool
}

// inTable visits every item of a table that nobody runs on.
func inTable(t *testing.T, folder string, visit func(s store.Store, item table.Item)) {
	t.Helper()
	engine, err := embedded.Open(filepath.Join(folder, "table"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}()
	for scan := (table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong}); ; {
		page, err := engine.Scan(t.Context(), scan)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			visit(store.Store{Table: engine}, item)
		}
		if scan.Cursor = page.Next; scan.Cursor == "" {
			return
		}
	}
}

// An order whose export names no buyer belongs to nobody yet, and no answer of
// the API shows it. So its table is looked at once the process has ended.
func keptOrders(t *testing.T, folder string) (map[string]kept, []table.Item) {
	t.Helper()
	orders := map[string]kept{}
	var items []table.Item
	inTable(t, folder, func(s store.Store, item table.Item) {
		items = append(items, item)
		parts := strings.Split(item.Key.PK, "#")
		if parts[0] != "O" || len(parts) != 4 {
			return
		}
		key := loyalty.OrderKey{Channel: loyalty.Channel(parts[1]), Shop: parts[2], Order: parts[3]}
		if _, seen := orders[key.Order]; seen {
			return
		}
		log, err := s.Log(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		order := points.Replay(key, log)
		o := kept{Facts: len(log), Completed: !order.CompletedAt.IsZero()}
		for _, purchase := range order.Purchases() {
			o.Paid += purchase.Paid
			o.Refunded += purchase.Refunded
			o.Lines++
		}
		orders[key.Order] = o
	})
	slices.SortFunc(items, func(a, b table.Item) int { return strings.Compare(a.Key.PK+a.Key.SK, b.Key.PK+b.Key.SK) })
	return orders, items
}

func total(orders map[string]kept) (paid, refunded loyalty.Fen, lines int) {
	for o := range maps.Values(orders) {
		paid += o.Paid
		refunded += o.Refunded
		lines += o.Lines
	}
	return paid, refunded, lines
}

const fixtures = "../../shared/orders/export/testdata/"

// importedTwice imports, looks, imports again and demands that not one item of
// the table differs.
func importedTwice(t *testing.T, channel string, wantCode int, files ...string) (cli.Report, map[string]kept) {
	t.Helper()
	folder := t.TempDir()
	var first cli.Report
	var orders map[string]kept
	var items []table.Item
	for round := range 2 {
		p := start(t, folder, empty)
		code, report := p.imports(t.Context(), t, p.address, channel, files...)
		if code != wantCode || report.Stopped != "" {
			t.Fatalf("the import ends with %d: %+v", code, report)
		}
		p.rest(t)
		for _, q := range p.queues(t) {
			if q.Dead > 0 {
				t.Errorf("dead letters: %+v", q)
			}
		}
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
		nowOrders, nowItems := keptOrders(t, folder)
		if round == 0 {
			first, orders, items = report, nowOrders, nowItems
			continue
		}
		if diff := cmp.Diff(first, report); diff != "" {
			t.Errorf("the second import reports otherwise (-first +second):\n%s", diff)
		}
		if diff := cmp.Diff(items, nowItems, cmp.AllowUnexported(table.Value{})); diff != "" {
			t.Errorf("the second import changed the table (-first +second):\n%s", diff)
		}
	}
	paid, refunded, lines := total(orders)
	if paid != first.Paid || refunded != first.Refunded || lines != first.Lines || len(orders) != first.Orders || first.SentOrders != first.Orders {
		t.Errorf("the table has %d orders, %d lines, paid %d, refunded %d; the report says %+v", len(orders), lines, paid, refunded, first)
	}
	return first, orders
}

func TestImportOfTheTmallPair(t *testing.T) {
	_, orders := importedTwice(t, "tmall", 0, fixtures+"tmall_list.gbk.csv", fixtures+"tmall_detail.gbk.csv")
	// ¥199.00; ¥166.67 + ¥73.33, of which ¥30.50 went back; ¥90.00 after the
	// ¥8.00 of shipping.
	want := map[string]kept{
		"3301000000000000001": {Paid: 19_900, Lines: 1, Facts: 1},
		"3301000000000000002": {Paid: 24_000, Refunded: 3_050, Lines: 3, Facts: 3, Completed: true},
		"3301000000000000004": {Paid: 9_000, Lines: 1, Facts: 2, Completed: true},
	}
	if diff := cmp.Diff(want, orders); diff != "" {
		t.Errorf("the orders (-want +got):\n%s", diff)
	}
}

func TestImportOfTheDouyinFile(t *testing.T) {
	report, orders := importedTwice(t, "douyin", 0, fixtures+"douyin.utf8bom.csv")
	if report.Orders != 3 || len(report.Unpaid) != 1 || report.Paid != 19_900+4_590+12_050 || report.Refunded != 4_590 {
		t.Errorf("the report is %+v", report)
	}
	if o := orders["6990000000000000002"]; o.Refunded != o.Paid || o.Paid != 4_590 {
		t.Errorf("the refunded order is %+v", o)
	}
}

// A row that cannot be read is named by file and line, and the rest is taken.
func TestImportNamesRefusedRows(t *testing.T) {
	raw, err := os.ReadFile(fixtures + "douyin.utf8bom.csv")
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(raw), "205.00", "205,oo", 1)
	if broken == string(raw) {
		t.Fatal("the fixture has changed")
	}
	file := filepath.Join(t.TempDir(), "broken.csv")
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	report, orders := importedTwice(t, "douyin", 1, file)
	if len(report.Refused) != 2 { // the row, and the order that is left out with it
		t.Errorf("refused %+v", report.Refused)
	}
	for _, refused := range report.Refused {
		if refused.File != file || refused.Line != 2 {
			t.Errorf("refused %+v, want line 2 of %s", refused, file)
		}
	}
	if _, there := orders["6990000000000000001"]; there || len(orders) != 2 {
		t.Errorf("the table has %v", slices.Sorted(maps.Keys(orders)))
	}
}

// The samples of real exports are not part of the repository.
func TestImportOfSharedFeeds(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "shared", "feeds", "csv")
	if _, err := os.Stat(folder); err != nil {
		t.Log("shared/feeds absent: the import was not tried on the real samples")
		return
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	tmall, _ := importedTwice(t, "tmall", 0, in("tmall_ExportOrderList.gbk.csv"), in("tmall_ExportOrderDetailList.gbk.csv"))
	if tmall.Orders != 2 || len(tmall.Unpaid) != 1 || tmall.Paid != 59_800+32_358 || tmall.Refunded != 10_000 || len(tmall.Refused) != 0 {
		t.Errorf("tmall: %+v", tmall)
	}
	douyin, _ := importedTwice(t, "douyin", 0, in("douyin_orders.utf8bom.csv"))
	if douyin.Orders != 3 || douyin.Paid != 2_890+2_000+1_590 || douyin.Refunded != 2_890+1_590 || len(douyin.Refused) != 0 {
		t.Errorf("douyin: %+v", douyin)
	}
	t.Logf("tmall %d orders, paid %d, refunded %d fen; douyin %d orders, paid %d, refunded %d fen",
		tmall.Orders, tmall.Paid, tmall.Refunded, douyin.Orders, douyin.Paid, douyin.Refunded)
}

// tmallPair writes an export of so many orders, each of two lines, the first
// of which was refunded in part in every third order.
func tmallPair(t *testing.T, count int) (list, detail string, want map[string]kept) {
	t.Helper()
	orders := strings.Builder{}
	orders.WriteString(`"订单编号","买家会员名","买家应付货款","买家应付邮费","总金额","买家实际支付金额","订单状态","订单创建时间","订单付款时间 ","宝贝标题 ","退款金额","确认收货时间"` + "\r\n")
	lines := strings.Builder{}
	lines.WriteString(`"子订单编号","主订单编号","标题","价格","购买数量","外部系统编号","订单状态","商家编码","买家应付货款","买家实际支付金额","退款状态","退款金额","订单创建时间","订单付款时间"` + "\r\n")
	want = map[string]kept{}
	for i := range count {
		id := fmt.Sprintf("44010000000%08d", i)
		refund, state := loyalty.Fen(0), "没有申请退款"
		if i%3 == 0 {
			refund, state = 1_001, "退款成功"
		}
		yuan := func(fen loyalty.Fen) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }
		first, second := loyalty.Fen(10_000+i), loyalty.Fen(2_000)
		fmt.Fprintf(&orders, "\"=\"\"%s\"\"\",\"a**b\",\"%s\",\"0.00\",\"%s\",\"%s\",\"交易成功\",\"2026-11-01 20:00:00\",\"2026-11-01 20:00:09\",\"奶粉\",\"%s\",\"2026-11-09 12:00:00\"\r\n",
			id, yuan(first+second), yuan(first+second), yuan(first+second), yuan(refund))
		for n, paid := range []loyalty.Fen{first, second} {
			gone, told := loyalty.Fen(0), "没有申请退款"
			if n == 0 {
				gone, told = refund, state
			}
			fmt.Fprintf(&lines, "\"=\"\"%s%d\"\"\",\"=\"\"%s\"\"\",\"奶粉\",\"%s\",\"1\",\"\",\"交易成功\",\"MILK-400\",\"%s\",\"%s\",\"%s\",\"%s\",\"2026-11-01 20:00:00\",\"2026-11-01 20:00:09\"\r\n",
				id, n, id, yuan(paid), yuan(paid), yuan(paid), told, yuan(gone))
		}
		facts := 2
		if refund > 0 {
			facts = 3
		}
		want[id] = kept{Paid: first + second, Refunded: refund, Lines: 2, Facts: facts, Completed: true}
	}
	folder := t.TempDir()
	list, detail = filepath.Join(folder, "list.csv"), filepath.Join(folder, "detail.csv")
	for file, text := range map[string]string{list: orders.String(), detail: lines.String()} {
		if err := os.WriteFile(file, []byte("\ufeff"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return list, detail, want
}

// Ctrl-C half way, and the same command again: nothing is lost or doubled.
func TestImportInterruptedHalfWay(t *testing.T) {
	const count = 120
	list, detail, want := tmallPair(t, count)
	folder := t.TempDir()
	p := start(t, folder, empty)
	target, err := url.Parse(p.address)
	if err != nil {
		t.Fatal(err)
	}
	// A proxy counts the requests and presses Ctrl-C.
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var requests atomic.Int32
	proxy := httputil.NewSingleHostReverseProxy(target)
	counting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == count {
			interrupt()
		}
		proxy.ServeHTTP(w, r)
	}))
	defer counting.Close()
	code, cut := p.imports(ctx, t, counting.URL, "tmall", list, detail)
	if code != 1 || cut.Stopped != "interrupted" || cut.SentOrders == 0 || cut.SentOrders >= count || cut.SentEvents >= int(requests.Load())+1 {
		t.Fatalf("the interrupted import ends with %d after %d requests: stopped %q, %d of %d orders, %d events",
			code, requests.Load(), cut.Stopped, cut.SentOrders, cut.Orders, cut.SentEvents)
	}
	t.Logf("interrupted after %d of %d orders", cut.SentOrders, cut.Orders)
	if code, whole := p.imports(t.Context(), t, p.address, "tmall", list, detail); code != 0 || whole.SentOrders != count {
		t.Fatalf("the second import ends with %d: %+v", code, whole)
	}
	p.rest(t)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	orders, _ := keptOrders(t, folder)
	if diff := cmp.Diff(want, orders); diff != "" {
		t.Errorf("the orders (-want +got):\n%s", diff)
	}
}

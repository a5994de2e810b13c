package operate_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// publicBatch makes a batch and has it confirmed by so many operators.
func (b *brand) publicBatch(document string, confirmations int) string {
	b.t.Helper()
	status, made := b.post("/v1/card-batches", "rules-batch", document)
	if status != http.StatusAccepted {
		b.t.Fatalf("%d %s", status, made)
	}
	id := field(b.t, made, "id")
	for i := range confirmations {
		_, operator := b.post("/v1/operators", fmt.Sprint("rules-op-", i), fmt.Sprintf(`{"name":"rules-%d","role":"operator"}`, i))
		if status, answer, _ := b.call(request{method: "POST", path: "/v1/card-batches/" + id + "/activation", token: field(b.t, operator, "token"), key: fmt.Sprint("rules-", i)}); status >= 300 {
			b.t.Fatalf("%d %s", status, answer)
		}
	}
	return id
}

func rulesPath(id string) string { return "/v1/card-batches/" + id + "/rules" }

func TestRulesAreAPageForPeopleAndJSONForPrograms(t *testing.T) {
	b := open(t)
	path := rulesPath(b.publicBatch(batch, 2))
	const page, document = "text/html; charset=utf-8", "application/json"
	for accept, want := range map[string]string{
		"": document, "*/*": document, "application/json": document, "text/*": page, "text/html": page,
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8": page,
		"application/json,text/html;q=0.9":            document,
		"text/html;q=0.5,application/json;q=0.4":      page,
		"text/html;q=0, */*":                          document,
		"text/html;q=nonsense":                        document,
		"; ; ,":                                       document,
		"application/json;q=0.9, text/html, */*;q=.1": page,
	} {
		status, answer, header := b.browse(path, "Accept", accept)
		if status != http.StatusOK || header.Get("Content-Type") != want || header.Get("Vary") != "Accept" {
			t.Errorf("Accept %q: %d %v", accept, status, header)
		}
		if isPage := strings.HasPrefix(answer, "<!doctype html>"); isPage != (want == page) {
			t.Errorf("Accept %q: %.60s", accept, answer)
		}
	}
}

func TestTheRulesPageSaysWhatTheLawAsksFor(t *testing.T) {
	b := open(t)
	if status, answer := b.put("/v1/coupon-templates/welcome", `{"name":"新人券","threshold":10000,"discount":2050,"validity":{"months":3}}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	id := b.publicBatch(`{"name":"双十一包裹卡","count":200000,"arms":[
{"name":"a","form":"scratch","weight":1,"prizes":[{"kind":"points","value":100,"quantity":60000},{"kind":"coupon","value":"welcome","quantity":10,"worth":2050},{"kind":"red_packet","value":888,"quantity":1},{"kind":"gift","value":"<b>试用装</b>","quantity":10000,"worth":1000}]},
{"name":"b","form":"reveal","weight":1,"prizes":[{"kind":"points","value":50,"quantity":100000}]}],
"valid_from":"2026-11-01T00:00:00+08:00","valid_to":"2027-02-01T00:00:00+08:00","rules_text":"每张卡可刮一次。\n一人可参与多次。"}`, 2)
	status, page, header := b.browse(rulesPath(id))
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, page)
	}
	for _, want := range []string{
		`<html lang="zh-CN">`, "双十一包裹卡 · 活动规则", `<dd id="organiser">回头牧场</dd>`, "2026-11-01 00:00 至 2027-01-31 23:59", "本批次共 200000 张", id,
		"2026-11-21 18:00", "进行中", "刮刮卡，共 100000 张", "揭晓卡（张张有奖），共 100000 张",
		"100 积分", "60000 张<small>60%</small>", "新人券", "单笔满 ¥100 减 ¥20.50；自发放起 3 个月内有效；价值 ¥20.50", "10 张<small>0.01%</small>",
		"¥8.88 现金红包", "1 张<small>不足 0.01%</small>", "&lt;b&gt;试用装&lt;/b&gt;", "未中奖", "29989 张<small>29.99%</small>",
		"100000 张<small>100%</small>", "每张卡的结果在生成时即已随机确定", "不作更改", "每张卡只能兑换一次", "单个奖品为 ¥20.50", "一人可参与多次。", "400-000-0000", "规范促销行为暂行规定", "#b3261e",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	policy := header.Get("Content-Security-Policy")
	if directive(policy, "default-src")[0] != "'none'" || directive(policy, "script-src") != nil || strings.Contains(policy, "unsafe") || strings.Contains(page, "<script") {
		t.Errorf("policy %q", policy)
	}
	if found := handler.FindString(page); found != "" {
		t.Errorf("the page has %q, which the policy forbids", found)
	}
}

func TestTheRulesPageStaysSmallWithTheLongestText(t *testing.T) {
	b := open(t)
	long := strings.Replace(batch, "每张卡可刮一次。", strings.Repeat("规", 4000), 1)
	_, page, _ := b.browse(rulesPath(b.publicBatch(long, 1)))
	if len(page) > 20_000 || !strings.Contains(page, strings.Repeat("规", 4000)) {
		t.Errorf("%d bytes", len(page))
	}
	for name, tooLong := range map[string]string{
		"text": strings.Replace(batch, "每张卡可刮一次。", strings.Repeat("规", 4001), 1),
		"name": strings.Replace(batch, "双十一包裹卡", strings.Repeat("卡", 61), 1),
	} {
		before := b.snapshot(t)
		status, answer := b.post("/v1/card-batches", "too-long-"+name, tooLong)
		if status != http.StatusBadRequest || !strings.Contains(answer, "expected length") {
			t.Errorf("%s: %d %.300s", name, status, answer)
		}
		if b.snapshot(t) != before {
			t.Error("the refusal wrote")
		}
	}
}

func TestAGiftForEverybodyIsNoDraw(t *testing.T) {
	b := open(t)
	_, page, _ := b.browse(rulesPath(b.publicBatch(`{"name":"谢礼","count":10,"arms":[{"name":"a","form":"reveal","weight":1,"prizes":[{"kind":"points","value":50,"quantity":10}]}],
"valid_from":"2026-11-01T00:00:00+08:00","valid_to":"2027-02-01T00:00:00+08:00"}`, 2)))
	if strings.Contains(page, "随机") || strings.Contains(page, "未中奖") || strings.Contains(page, "品牌说明") || !strings.Contains(page, "10 张<small>100%</small>") {
		t.Error(page)
	}
}

// The page and the JSON know the same batches, and say no in the form that was
// asked for.
func TestRulesFollowTheStateOfTheBatch(t *testing.T) {
	b := open(t)
	id := b.publicBatch(batch, 0)
	for name, path := range map[string]string{"unknown": rulesPath("K-00000"), "not confirmed by anybody": rulesPath(id)} {
		status, page, header := b.browse(path)
		if status != http.StatusNotFound || header.Get("Content-Type") != "text/html; charset=utf-8" || header.Get("Vary") != "Accept" ||
			!strings.Contains(page, "没有找到这个批次的活动规则") || !strings.Contains(page, "400-000-0000") || strings.Contains(page, "双十一") {
			t.Errorf("%s: %d %v %s", name, status, header, page)
		}
		status, answer, _ := b.browse(path, "Accept", "application/json")
		if status != http.StatusNotFound || !strings.HasSuffix(field(t, answer, "type"), "/batch_unknown") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	state := func() string {
		_, page, _ := b.browse(rulesPath(id))
		return regexp.MustCompile(`<span class="state(?: open)?">([^<]*)<`).FindStringSubmatch(page)[1]
	}
	b.publicBatch(batch, 1)
	if got := state(); got != "公示中，尚未开始" {
		t.Errorf("after one of two confirmations: %q", got)
	}
	b.publicBatch(batch, 2)
	if got := state(); got != "进行中" {
		t.Errorf("after both: %q", got)
	}
	if status, answer := b.post("/v1/card-batches/"+id+"/freeze", "freeze", ""); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	if got := state(); got != "已停止兑奖（2026-11-21 18:00）" {
		t.Errorf("frozen: %q", got)
	}
}

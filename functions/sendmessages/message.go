package sendmessages

import (
	"fmt"
	"time"

	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
)

// optOut is the way out that every marketing message must name: 《通信短信息服务管理规定》
// asks for a convenient one, and the operators refuse texts without it.
const optOut = "拒收请回复R"

// message words a reminder. The link leads to where the member first bought
// (从一而终), or to the brand's default.
func message(rules program.Document, account store.Account, reminder notify.Reminder, now time.Time) notify.Message {
	link, ok := rules.Brand.Links[string(account.Home)]
	if !ok {
		link = rules.Brand.Links[""]
	}
	text := fmt.Sprintf("【%s】您上次买的%s快用完了，现在补上正好", rules.Brand.Name, rules.Repurchase.Title(reminder.Category))
	if link != "" {
		text += "：" + link
	}
	// A blank after the link, so that no phone takes what follows for a part of it.
	text += " " + optOut
	return notify.Message{
		ID: reminder.ID, Member: account.Member, Kind: notify.KindRepurchase, Category: reminder.Category,
		Channel: account.Home, Text: text, Link: link, At: now.UTC(),
	}
}

package redeemcard

import "github.com/huitou/huitou/shared/cards"

// holdText is every word about a card that is held or void, in one language.
type holdText struct {
	Held, HeldWhat, HeldHow               string
	Voided, VoidedHow                     string
	VoidedWhy                             map[cards.VoidReason]string
	Appeal, Send, Privacy                 string
	Grounds                               []choice
	Appealed, AppealedWhat, MissingAppeal string
}

// choice is one of several that a customer may pick.
type choice struct {
	Value cards.Ground
	Label string
}

// Hold is the words of the text's language.
func (t text) Hold() holdText { return holdTexts[t.Lang] }

var holdTexts = map[string]holdText{
	"zh-CN": {
		Held:     "正在人工核实",
		HeldWhat: "这张卡已由您兑换，奖品为您保留，不会给别人。短时间内兑换的卡较多，品牌会先人工核实再发放。",
		HeldHow:  "核实通过后奖品按规则发放；再次打开本卡、填写同一手机号即可查看结果。您无需再做什么，也可以申诉或联系品牌，说明卡的来源。",
		Voided:   "这张卡已作废", VoidedHow: "如果您认为有误，可以申诉或直接联系品牌，我们会人工复核并答复您。",
		VoidedWhy: map[cards.VoidReason]string{
			cards.VoidStolen:    "经核实，这张卡所在的商品曾被盗或在途中遗失，奖品不再发放。",
			cards.VoidUnbought:  "经核实，这张卡不是随购买的商品取得的，奖品不再发放。",
			cards.VoidReturned:  "这张卡对应的商品已经退货，奖品不再发放。",
			cards.VoidLeaked:    "这张卡的卡码在到达顾客之前已经泄露，奖品不再按此卡发放。",
			cards.VoidMisprint:  "这张卡印制有误，奖品不再按此卡发放。",
			cards.VoidOwnerLeft: "兑换这张卡的会员已注销，奖品不再发放。",
		},
		Appeal: "申诉：这张卡是怎样到您手中的？", Send: "提交申诉",
		Privacy: "提交即同意品牌为复核而查看这次兑换。我们只记录您所选的理由与时间，不收集其他资料。",
		Grounds: []choice{
			{cards.GroundBought, "商品是我自己买的"}, {cards.GroundGiven, "商品是别人送我的"}, {cards.GroundOther, "其他情况，我会联系品牌说明"},
		},
		Appealed:      "申诉已收到",
		AppealedWhat:  "如果这个手机号兑换了本卡，且奖品正在核实或已作废，您的申诉已交给品牌人工复核。再次打开本卡可查看结果；需要补充说明时，请通过下面的方式联系品牌。",
		MissingAppeal: "如果这张卡确实随商品到了您手中，而活动被提前停止或卡被作废，请凭卡面与购买凭证通过下面的方式申诉，我们会人工复核并答复您。",
	},
	"en": {
		Held:     "A person is checking this",
		HeldWhat: "You redeemed this card, and its prize is kept for you and nobody else. Many cards were redeemed in a short time, so the brand checks before it hands the prize over.",
		HeldHow:  "Once that is done the prize is given by the rules; open this card again with the same number to see. There is nothing you need to do, but you can appeal, or tell the brand how you came by the card.",
		Voided:   "This card was voided", VoidedHow: "If you think that is wrong, appeal or contact the brand: a person will look at it and answer you.",
		VoidedWhy: map[cards.VoidReason]string{
			cards.VoidStolen:    "We found that the goods with this card had been stolen or lost on the way, so its prize is not given.",
			cards.VoidUnbought:  "We found that this card was not obtained with goods that were bought, so its prize is not given.",
			cards.VoidReturned:  "The goods that this card came with were returned, so its prize is not given.",
			cards.VoidLeaked:    "The code of this card leaked before it reached a customer, so its prize is not given by it.",
			cards.VoidMisprint:  "This card was misprinted, so its prize is not given by it.",
			cards.VoidOwnerLeft: "The member who redeemed this card has left, so its prize is not given.",
		},
		Appeal: "Appeal: how did you come by this card?", Send: "Send the appeal",
		Privacy: "By sending it you agree that the brand looks at this redemption again. We keep the answer you picked and the time, nothing else.",
		Grounds: []choice{
			{cards.GroundBought, "I bought the goods"}, {cards.GroundGiven, "Somebody gave me the goods"}, {cards.GroundOther, "Something else: I will contact the brand"},
		},
		Appealed:      "Your appeal has arrived",
		AppealedWhat:  "If this phone redeemed the card and its prize is being checked or was voided, a person will now look at it again. Open the card again to see what came of it; to add something, contact the brand as below.",
		MissingAppeal: "If the card came to you with the goods, and the offer was stopped early or the card was voided, appeal to us as below with the card and your proof of purchase: a person will look at it and answer you.",
	},
}

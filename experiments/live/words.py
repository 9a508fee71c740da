"""What the page of a sale says, in English and Chinese.

A text in one language has the same key in the other. Names of products and messages of customers stay as they are.
"""

from flashsale_env import DECISIONS, INTENTS

LANGUAGES = {"en": "English", "zh": "中文"}

_ENGLISH = {
    "title": "Run a flash sale",
    "subtitle": "You and {agent} sell {scenario} to the same customers.",
    "keys": "Keys: space plays and pauses, N plays one tick, C copies the agent, + and - change the speed.",
    "play": "Play",
    "pause": "Pause",
    "step": "One tick",
    "copy": "Copy the agent",
    "again": "New customers",
    "speed": "Speed",
    "per_second": "{speed:g} ticks a second",
    "clock": "Minute {minute:g} of {minutes:g}",
    "you": "you",
    "profit": "Profit so far, {currency}",
    "stock": "Units on hand",
    "currency": "currency of the scenario",
    "minutes": "minutes",
    "decide": "Your decisions for the next tick",
    "all_prices": "All prices together",
    "messages": "Customers, in their own words",
    "messages_note": "The last visitors, with the intent that the encoder reads. A shop reads {share:.0%} of them.",
    "no_messages": "Customers of this scenario write nothing.",
    "bought": "bought {product}",
    "agent": "What {agent} does, and why",
    "agent_now": "In your place it would now take:",
    "usual": "At this moment of other sales it takes {usual}, here {decided}. What makes the difference:",
    "same": "nothing: it decides as in other sales",
    "memory": "This agent keeps a memory of the sale, so its decision cannot be divided among what it sees now.",
    "alerts": "Alerts",
    "alerts_note": "Beside sales of {agent}: {share:.0%} of its own undisturbed sales give an alert.",
    "no_alerts": "None so far.",
    "traffic+": "minute {minute:g}: more customers than usual",
    "traffic-": "minute {minute:g}: fewer customers than usual",
    "conversion+": "minute {minute:g}: customers buy more often than usual",
    "conversion-": "minute {minute:g}: customers buy less often than usual",
    "stock-out+": "minute {minute:g}: {product} will be sold out before the close",
    "debrief": "The sale is over",
    "debrief_note": "Bound: no policy earns more on these customers ({bound}). After the costs of the opening stock.",
    "no_bound": "No bound: {reason}",
    "bound": "bound",
    "worst": "What cost you most",
    "cost": "Minute {minute:g}: with the agent's decisions in this tick alone you would have earned {lost} more.",
    "no_cost": "In no single tick would the agent's decision have earned you more.",
    "instead": "{control}: {yours}, agent {agents}",
    "mean_price": "mean price, share of the highest",
    "language": "中文",
    "dark": "Light or dark",
}

_CHINESE = {
    "title": "经营一场限时抢购",
    "subtitle": "你与 {agent} 面对同样的顾客，销售 {scenario}。",
    "keys": "按键：空格播放或暂停，N 走一步，C 照搬智能体，+ 与 - 调速度。",
    "play": "播放",
    "pause": "暂停",
    "step": "走一步",
    "copy": "照搬智能体",
    "again": "换一批顾客",
    "speed": "速度",
    "per_second": "每秒 {speed:g} 步",
    "clock": "第 {minute:g} 分钟，共 {minutes:g} 分钟",
    "you": "你",
    "profit": "至今利润（{currency}）",
    "stock": "在库件数",
    "currency": "场景货币",
    "minutes": "分钟",
    "decide": "你对下一步的决定",
    "all_prices": "全部价格一起调",
    "messages": "顾客怎么说",
    "messages_note": "最近的访客，以及编码器读出的意图。商店只读到其中 {share:.0%}。",
    "no_messages": "这个场景的顾客不留言。",
    "bought": "买了 {product}",
    "agent": "{agent} 怎么做，为什么",
    "agent_now": "换作它，现在会这样决定：",
    "usual": "在其他场次的这一刻它取 {usual}，这里取 {decided}。差别来自：",
    "same": "没有差别：它的决定与其他场次相同",
    "memory": "这个智能体有记忆，它的决定不能只分摊到眼前所见。",
    "alerts": "警报",
    "alerts_note": "与 {agent} 的场次相比：它自己未受干扰的场次中有 {share:.0%} 会报警。",
    "no_alerts": "至今没有。",
    "traffic+": "第 {minute:g} 分钟：顾客比平常多",
    "traffic-": "第 {minute:g} 分钟：顾客比平常少",
    "conversion+": "第 {minute:g} 分钟：顾客比平常更常购买",
    "conversion-": "第 {minute:g} 分钟：顾客比平常更少购买",
    "stock-out+": "第 {minute:g} 分钟：{product} 会在结束前卖完",
    "debrief": "抢购结束",
    "debrief_note": "上界：面对这些顾客，任何策略都赚不到更多（{bound}）。已扣除期初存货成本。",
    "no_bound": "没有上界：{reason}",
    "bound": "上界",
    "worst": "最贵的决定",
    "cost": "第 {minute:g} 分钟：只要这一步照智能体做，你会多赚 {lost}。",
    "no_cost": "没有哪一步换成智能体的决定会让你多赚。",
    "instead": "{control}：你 {yours}，智能体 {agents}",
    "mean_price": "平均价格占最高价的比例",
    "language": "English",
    "dark": "浅色或深色",
}

TEXTS = {"en": _ENGLISH, "zh": _CHINESE}

# Kinds of decisions; one that is not here keeps the name of its mechanism.
_DECISIONS_ZH = {
    "price": "价格",
    "order": "补货",
    "coupon": "优惠券",
    "targeted": "定向优惠",
    "seckill": "秒杀名额",
    "deal": "满减",
    "bundles": "套装",
    "delivery": "运费",
    "servers": "客服",
    "display": "商品排序",
    "disclosure": "页面信息",
    "screening": "拦截",
}
_INTENTS_ZH = dict(
    zip(INTENTS, ("找便宜", "急用", "闲逛", "比较", "送礼", "投诉退货", "问物流", "认品牌", "批量"), strict=True)
)


def decision(kind: str, language: str) -> str:
    """A kind of decision."""
    assert kind in DECISIONS, kind
    return _DECISIONS_ZH.get(kind, kind) if language == "zh" else kind


def intent(name: str, language: str) -> str:
    """An intent."""
    return _INTENTS_ZH[name] if language == "zh" else name.replace("_", " ")

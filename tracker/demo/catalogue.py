"""The made-up songs of the simulated provider: titles, lyrics and sounds were written for it."""

import dataclasses
from pathlib import Path

import msgspec

SOUNDS = Path(__file__).parent / "sounds"
COVERS = Path(__file__).parent / "covers"


@dataclasses.dataclass(frozen=True, slots=True)
class Song:
    title: str
    tags: str
    model: str
    # The two files of `sounds/` that are takes of this song, and the two of `covers/`.
    sounds: tuple[str, str]
    covers: tuple[str, str]
    lyrics: str
    description: str | None = None


# Seconds by file name, written by compose.py.
DURATIONS: dict[str, float] = msgspec.json.decode((SOUNDS / "durations.json").read_bytes(), type=dict[str, float])

SONGS = (
    Song(
        title="Half Past Neon",
        tags="emotional punk",
        model="chirp-v4",
        sounds=("neon-one", "neon-two"),
        covers=("01", "02"),
        lyrics="""[Verse]
Half past neon on the avenue
My shoes are full of rain and I'm thinking of you
The laundromat is humming in a minor key
And every broken window is a photograph of me

[Chorus]
So turn it up, turn it up, till the wires glow
I've got nothing to lose and nowhere to go
If the night is a fire then we are the smoke
Half past neon, and nobody's home

[Verse 2]
You left your jacket on the back of a chair
There's a ticket in the pocket, there's a ghost of your hair
I wore it to the corner and I wore it to the sea
It's two sizes too honest to ever fit me

[Chorus]
So turn it up, turn it up, till the wires glow
I've got nothing to lose and nowhere to go
If the night is a fire then we are the smoke
Half past neon, and nobody's home

[Outro]
Half past neon
Leave the light on""",
    ),
    Song(
        title="Elevator to the Moon",
        tags="lively, pop",
        model="chirp-bluejay",
        sounds=("spring-one", "spring-two"),
        covers=("03", "04"),
        description="a bright song about leaving work early",
        lyrics="""[Verse]
Push the button, hold the door
There's no number on this floor
Coffee cups and paper shoes
We are late for better news

[Pre-Chorus]
Five, four, three, two
Nothing up there but the view

[Chorus]
Take the elevator to the moon
Back by Sunday afternoon
Bring your camera, bring your tune
We'll be silver, we'll be soon

[Verse 2]
All the city, small and round
Like a coin that someone found
Tell the boss I lost my way
Tell the stars I'm going to stay

[Chorus]
Take the elevator to the moon
Back by Sunday afternoon
Bring your camera, bring your tune
We'll be silver, we'll be soon""",
    ),
    Song(
        title="Rain on Platform Nine",
        tags="lo-fi, piano",
        model="chirp-v4",
        sounds=("rain-one", "rain-two"),
        covers=("05", "06"),
        lyrics="""[Verse]
Rain on platform nine again
Steam is writing down your name
Someone's folded up the day
And put it in a paper plane

[Chorus]
Slow down, slow train
I've got all the time it takes to rain
Slow down, slow train
Nothing here I need to explain

[Verse 2]
An old man feeds the pigeons bread
A kid is humming in his head
The clock has stopped at ten to three
And that is close enough for me

[Chorus]
Slow down, slow train
I've got all the time it takes to rain
Slow down, slow train
Nothing here I need to explain""",
    ),
    Song(
        title="江南的第三封信",
        tags="国风, 古筝",
        model="chirp-bluejay",
        sounds=("river-one", "river-two"),
        covers=("07", "08"),
        description="江南水乡的书信，古筝，温柔女声",
        lyrics="""[Verse]
青石板上落了半盏灯
乌篷船摇碎水中的星辰
第一封信写给没回来的人
第二封信写给雨下的黄昏

[Verse 2]
桥头的伞开了又合上
卖花的声音绕过了长廊
第三封信我不知写给谁
信纸还是空的墨已经香

[Chorus]
江南的信啊慢慢地走
走过三月的风四月的柳
若你在远方听见一声古筝
那是我把想念拨在弦头

[Bridge]
水涨了又落 月圆了又瘦
一方小小的邮戳盖住多少秋

[Chorus]
江南的信啊慢慢地走
走过三月的风四月的柳
若你在远方听见一声古筝
那是我把想念拨在弦头""",
    ),
    Song(
        title="Satellite Letters",
        tags="synthwave, dreamy, female vocals",
        model="chirp-crow",
        sounds=("orbit-one", "orbit-two"),
        covers=("09", "10"),
        lyrics="""[Verse]
I send a letter every ninety minutes
Around the blue and back to where it began
The paper's made of light, there's nothing in it
Except the pulse of one unsteady hand

[Chorus]
Satellite, oh satellite
Carry me across the night
I'm a small and blinking line
Tell her that I'm doing fine

[Verse 2]
The deserts turn to gold beneath my window
The cities spill like sugar on the floor
I used to know the weather and the in-jokes
I only know the distance anymore

[Chorus]
Satellite, oh satellite
Carry me across the night
I'm a small and blinking line
Tell her that I'm doing fine

[Outro]
Over and over
Over and out""",
    ),
    Song(
        title="橘子味的下午",
        tags="lively, pop, 女声",
        model="chirp-v4",
        sounds=("spring-two", "spring-one"),
        covers=("11", "12"),
        description="夏天、单车和橘子汽水",
        lyrics="""[Verse]
单车停在坡道的拐角
汽水瓶里装着一个太阳
你说蝉鸣是夏天的闹钟
我把课本折成了翅膀

[Verse 2]
晾衣绳上的衬衫在跳舞
谁家的收音机走了调
一瓣橘子分成两个人吃
酸的归我甜的归你好不好

[Chorus]
橘子味的下午 慢慢慢慢地数
云有几朵 你有几种笑的弧度
橘子味的下午 什么都不耽误
只想把这条路 走成很长的路

[Verse 3]
冰块敲着玻璃叮叮当
影子被夕阳拉得好长
你忽然回头喊我的名字
整条街的风都停下来听

[Chorus]
橘子味的下午 慢慢慢慢地数
云有几朵 你有几种笑的弧度
橘子味的下午 什么都不耽误
只想把这条路 走成很长的路""",
    ),
    Song(
        title="Borrowed Amplifier",
        tags="emotional punk, garage, fast",
        model="chirp-crow",
        sounds=("neon-two", "neon-one"),
        covers=("02", "09"),
        lyrics="""[Verse]
We learned three chords on a borrowed amp
In a garage that smelled of paint and damp
Your brother's drum kit missing a cymbal
We played it wrong but we played it simple

[Chorus]
And it was loud, loud, loud enough
To drown the doubt, to call their bluff
We never made it out of town
But we never turned it down

[Verse 2]
Now you sell houses and I fix clocks
There's a box of flyers with a broken lock
But when the traffic hits that tempo right
I'm seventeen for half the night

[Chorus]
And it was loud, loud, loud enough
To drown the doubt, to call their bluff
We never made it out of town
But we never turned it down""",
    ),
    Song(
        title="旧唱片与猫",
        tags="lo-fi, 钢琴, 慵懒",
        model="chirp-v4",
        sounds=("rain-two", "rain-one"),
        covers=("06", "03"),
        lyrics="""[Verse]
唱针落下来 像一片叶子
猫在沙发上睡成一个句子
窗外的雨没什么要紧事
茶凉了一半 也不着急

[Chorus]
旧唱片转呀转 转到第几圈
日子是沙沙响的那一段
不完美的声音才像从前
你在的时候 雨也很慢

[Verse 2]
台灯下的书翻到了折角
铅笔写的字淡得刚刚好
猫伸个懒腰跳上了窗台
看一列火车从远处走来

[Chorus]
旧唱片转呀转 转到第几圈
日子是沙沙响的那一段
不完美的声音才像从前
你在的时候 雨也很慢""",
    ),
    Song(
        title="月下渡船",
        tags="国风, 古筝, 笛子",
        model="chirp-bluejay",
        sounds=("river-two", "river-one"),
        covers=("08", "10"),
        description="月夜渡口，古筝与笛",
        lyrics="""[Verse]
月下一只船 无人撑篙
芦花白过了昨夜的潮
我问船家几时能到对岸
他说山高水远 酒先温好

[Verse 2]
笛声三两句 落在水面
惊起白鹭飞过了云间
你曾说要看遍人间灯火
我替你数到了第几千

[Chorus]
渡我一程吧 月下的船
渡过旧时的雨 眼前的山
若故人问起我何时归来
说那一夜的月 还没有满

[Outro]
渡我一程吧
天色将晓 水声渐远""",
    ),
    Song(
        title="凌晨四点的公路",
        tags="synthwave, 电子, 男声",
        model="chirp-crow",
        sounds=("orbit-two", "orbit-one"),
        covers=("04", "01"),
        description="深夜公路，复古电子",
        lyrics="""[Verse]
凌晨四点的公路没有名字
仪表盘的蓝光照着后视镜
电台在放一首没听过的歌
像有人在远处替我开着灯

[Pre-Chorus]
别问我从哪里来
别问我要去哪里

[Chorus]
一直开 一直开 开到天亮起来
把昨天留在最后一个收费站外
一直开 一直开 霓虹退成海
我是一颗不肯落下的尘埃

[Verse 2]
加油站的咖啡苦得刚好
货车司机对我笑了一笑
地平线裂开一道橙色的缝
像一封很久以后才到的信

[Chorus]
一直开 一直开 开到天亮起来
把昨天留在最后一个收费站外
一直开 一直开 霓虹退成海
我是一颗不肯落下的尘埃""",
    ),
)

SOUND_NAMES = tuple(sorted(DURATIONS))
COVER_NAMES = tuple(sorted({name for song in SONGS for name in song.covers}))

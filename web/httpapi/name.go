package httpapi

import (
	"strings"
	"unicode"
	"unicode/utf16"

	"openchat/sdk/wire"
)

// This file has what is done about the names of people, which others read: one that cannot be
// seen, turns the text around it, or is that of the system's own lines or of the bot, poses as another.

// PlainName returns a name without what cannot be seen in it: control and format characters (among
// them the bidirectional marks), zero-width and filling ones, and white space around it. A line
// break or tab is a space. The joiners of a script that writes with them stay, and those of emoji.
func PlainName(name string) string {
	var b strings.Builder
	var before rune // the last one that was kept; 0: none
	for _, r := range name {
		switch {
		case r == zeroWidthJoiner || r == zeroWidthNonJoiner:
			if !isJoined(before) {
				continue
			}
		case unicode.In(r, unicode.Zl, unicode.Zp) || unicode.IsControl(r) && unicode.IsSpace(r):
			r = ' '
			if before == ' ' {
				continue
			}
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point), r == brailleBlank:
			continue
		}
		before = r
		b.WriteRune(r)
	}
	name = strings.TrimSpace(b.String())
	if !strings.ContainsFunc(name, isSeen) {
		return "" // accents or joiners on nothing
	}
	return name
}

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
	brailleBlank       = '\u2800'
)

// isJoined reports whether a joiner after this character can change how it is written.
func isJoined(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.So, unicode.Sk) && !unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana) && r > unicode.MaxLatin1
}

// isSeen reports whether a character shows by itself.
func isSeen(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) }

// BotName is the name under which the desk's bot writes.
const BotName = "Assistant"

// reservedNames are those of the desk's own lines and of its bot, and what pages call a bot
// themselves; in small letters.
var reservedNames = map[string]bool{"system": true, strings.ToLower(BotName): true, "bot": true}

// IsReservedName reports whether people would read a name as that of the system's own lines or of
// the bot: in whatever case, with other characters than letters in between, or with letters that
// look like its own.
func IsReservedName(name string) bool {
	var letters strings.Builder
	for _, r := range PlainName(name) {
		if r >= '！' && r <= '～' {
			r -= '！' - '!' // full width
		}
		r = unicode.ToLower(r)
		if alike, ok := lookAlikes[r]; ok {
			r = alike
		}
		if unicode.IsLetter(r) {
			letters.WriteRune(r)
		}
	}
	return reservedNames[letters.String()]
}

// lookAlikes are letters that are drawn like those of reservedNames.
var lookAlikes = map[rune]rune{
	'ѕ': 's', 'ꜱ': 's', 'ſ': 's', // Cyrillic dze, small capital, long s
	'у': 'y', 'ү': 'y', 'ʏ': 'y', 'γ': 'y', 'υ': 'y', // Cyrillic u and straight u, small capital, Greek gamma and upsilon
	'т': 't', 'τ': 't', 'ᴛ': 't', // Cyrillic te, Greek tau, small capital
	'е': 'e', 'ε': 'e', 'ᴇ': 'e', // Cyrillic ie, Greek epsilon, small capital
	'м': 'm', 'μ': 'm', 'ᴍ': 'm', // Cyrillic em, Greek mu, small capital
	'а': 'a', 'α': 'a', 'ɑ': 'a', 'ᴀ': 'a', // Cyrillic a, Greek alpha, Latin alpha, small capital
	'і': 'i', 'ι': 'i', 'ı': 'i', 'ɪ': 'i', 'ӏ': 'i', 'l': 'i', // Ukrainian i, Greek iota, dotless i, small capital, palochka, the capital i's twin
	'ո': 'n', 'ɴ': 'n', 'ν': 'n', // Armenian vo, small capital, Greek nu as a capital
	'в': 'b', 'β': 'b', 'ʙ': 'b', // Cyrillic ve and Greek beta as capitals, small capital
	'о': 'o', 'ο': 'o', 'օ': 'o', 'ᴏ': 'o', // Cyrillic o, Greek omicron, Armenian oh, small capital
}

// CustomerName returns the name under which a customer is shown: PlainName of what a token or a page
// says, of which there are wire.MaxDisplayName UTF-16 units at most. It is "" where that is the
// system's or the bot's: then the customer has no name. It refuses nothing, for a customer whose name is
// unusual is to be served.
func CustomerName(name string) string {
	name = PlainName(name)
	units := 0
	for i, r := range name {
		if units += utf16.RuneLen(r); units > wire.MaxDisplayName {
			name = strings.TrimSpace(name[:i])
			break
		}
	}
	if IsReservedName(name) {
		return ""
	}
	return name
}

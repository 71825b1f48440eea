package store

import (
	"strconv"
	"testing"
)

// BenchmarkPage shows that a page costs the same at any depth.
func BenchmarkPage(b *testing.B) {
	s, ctx := openStore(b, Config{}), testContext(b)
	session := newSession(b, s, ann, "s")
	e := newChat(b, s, session, "e")
	const n = 5000
	for range n {
		if _, _, err := s.Append(ctx, ann, e.EngagementID, from(session, "Some words that say something.", "")); err != nil {
			b.Fatal(err)
		}
	}
	for _, before := range []int64{0, n / 2, 20} {
		b.Run("before="+strconv.FormatInt(before, 10), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Page(ctx, ann, e.EngagementID, Query{Before: before, Size: 10}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("newest", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.NewestIndex(ctx, ann, e.EngagementID); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAppend stores messages into many engagements at once.
func BenchmarkAppend(b *testing.B) {
	s, ctx := openStore(b, Config{}), testContext(b)
	session := newSession(b, s, ann, "s")
	var chats []Engagement
	for i := range 64 {
		chats = append(chats, newChat(b, s, session, strconv.Itoa(i)))
	}
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, _, err := s.Append(ctx, ann, chats[i%64].EngagementID, from(session, "Some words that say something.", "")); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

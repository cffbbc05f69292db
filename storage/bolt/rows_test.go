package bolt

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"halley/storage"
)

// TestCanonicalEncoding holds the bytes of format 1: a store that was written
// once is read for ever, and its chain is computed over these.
func TestCanonicalEncoding(t *testing.T) {
	c := storage.Change{
		Client: "client-a", N: 300, Author: "ann", Time: time.UnixMilli(1_700_000_000_123), Payload: []byte("[]"),
	}
	encoded := encodeChange(&c)
	const want = "01" + "ac02" + "f6a1abfef962" + "08636c69656e742d61" + "03616e6e" + "5b5d"
	if got := hex.EncodeToString(encoded); got != want {
		t.Errorf("encodeChange() = %s, want %s", got, want)
	}
	const wantLink = "be7c3c5037d2a53b10207f639b24b4bc"
	l := newChain(firstLink("page")).next(1, encoded)
	if got := hex.EncodeToString(l[:]); got != wantLink {
		t.Errorf("link 1 is %s, want %s", got, wantLink)
	}
}

func TestRowsComeBack(t *testing.T) {
	key := []byte("key")
	head := headRow{seq: 1 << 40, time: time.UnixMilli(123).UTC(), link: link{1, 2, 3}}
	if got, err := decodeHead(key, head.encode(key)); err != nil || got != head {
		t.Errorf("decodeHead() = %v, %v, want %v", got, err, head)
	}
	client := clientRow{
		ClientState: storage.ClientState{Author: "ann", N: 1 << 50, Seq: 7, Digest: [16]byte{1}},
		markedN:     64, markedSeq: 1 << 33,
	}
	if got, err := decodeClient(key, client.encode(key)); err != nil || got != client {
		t.Errorf("decodeClient() = %v, %v, want %v", got, err, client)
	}
	if got, err := decodeMark(key, encodeMark(key, 99)); err != nil || got != 99 {
		t.Errorf("decodeMark() = %d, %v, want 99", got, err)
	}
	record := recordRow{version: 3, expires: 1 << 42, value: []byte("value")}
	got, err := decodeRecord(key, record.encode(key))
	if err != nil || got.version != 3 || got.expires != 1<<42 || string(got.value) != "value" {
		t.Errorf("decodeRecord() = %v, %v, want %v", got, err, record)
	}
	if _, err := decodeRecord([]byte("another key"), record.encode(key)); err != errSum {
		t.Errorf("decodeRecord() under another key = %v, want %v", err, errSum)
	}
}

// FuzzDecode: no bytes make a decoder panic, and a change that is decoded has
// these bytes as its one encoding, or others that are not canonical and so
// break the chain.
func FuzzDecode(f *testing.F) {
	c := changeOf("client", 70)
	key := []byte("key")
	f.Add(encodeChange(&c))
	f.Add(clientRow{markedN: 1}.encode(key))
	f.Add(recordRow{value: []byte("v")}.encode(key))
	f.Add([]byte{rowVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, sealed := range [][]byte{b, seal(key, bytes.Clone(b))} {
			decodeHead(key, sealed)
			decodeClient(key, sealed)
			decodeMark(key, sealed)
			decodeRecord(key, sealed)
		}
		row, err := decodeChange(b)
		if err != nil {
			return
		}
		again := encodeChange(&storage.Change{
			Client: string(row.client), N: row.n, Author: string(row.author), Time: time.UnixMilli(row.time), Payload: row.payload,
		})
		back, err := decodeChange(again)
		if err != nil || back.n != row.n || back.time != row.time || !bytes.Equal(back.client, row.client) ||
			!bytes.Equal(back.author, row.author) || !bytes.Equal(back.payload, row.payload) {
			t.Errorf("%x decodes to %v, that to %v (%v)", b, row, back, err)
		}
	})
}

func FuzzPageOf(f *testing.F) {
	f.Add([]byte("page\x01aaaaaaaa"))
	f.Add([]byte{0xff, 1})
	f.Fuzz(func(t *testing.T, k []byte) { pageOf(k) })
}

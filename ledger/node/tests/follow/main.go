// Follows the log of a node with what Go's checksum database is followed with: opens its checkpoint, and proves by its
// tiles alone that it goes on from an earlier one, and that the first and the last entry are in it.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run main.go URL VKEY [SIZE ROOT]
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func get(url string) []byte {
	answer, err := http.Get(url)
	check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	check(err)
	if answer.StatusCode != http.StatusOK {
		check(fmt.Errorf("%s: %s: %s", url, answer.Status, body))
	}
	return body
}

type tiles struct{ url string }

func (tiles) Height() int { return height }

func (it tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range wanted {
		// C2SP tlog-tiles leaves out the height, which is always this.
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		read = append(read, get(it.url+"/v1/log/"+path))
	}
	return read, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	url, vkey := os.Args[1], os.Args[2]
	verifier, err := note.NewVerifier(vkey)
	check(err)
	opened, err := note.Open(get(url+"/v1/log/checkpoint"), note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() || len(lines) != 4 {
		check(fmt.Errorf("no checkpoint: %q", opened.Text))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	// Each hash that it reads is checked against the root.
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles{url})

	if len(os.Args) > 3 {
		old, err := strconv.ParseInt(os.Args[3], 10, 64)
		check(err)
		before, err := tlog.ParseHash(os.Args[4])
		check(err)
		proof, err := tlog.ProveTree(size, old, hashes)
		check(err)
		check(tlog.CheckTree(proof, size, root, old, before))
	}

	bundle := tlog.Tile{H: height, L: -1, N: (size - 1) >> height, W: int((size-1)%(1<<height)) + 1}
	path := strings.Replace(bundle.Path(), fmt.Sprintf("tile/%d/data/", height), "tile/entries/", 1)
	entries := get(url + "/v1/log/" + path)
	index := bundle.N << height
	for ; len(entries) > 0; index++ {
		length := binary.BigEndian.Uint16(entries)
		entry := entries[2 : 2+length]
		entries = entries[2+length:]
		proof, err := tlog.ProveRecord(size, index, hashes)
		check(err)
		check(tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(entry)))
	}
	if index != size {
		check(fmt.Errorf("expected entries up to %d, found those up to %d", size, index))
	}
	fmt.Println(size, root, len(opened.Sigs), len(opened.UnverifiedSigs))
}

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// Piece is a part of a large body with its digest.
type Piece struct {
	At     int64  `json:"at"`
	Bytes  int64  `json:"bytes"`
	Sha256 string `json:"sha256"`
}

// pieceCheck compares parts of a body while it passes: hashing all of it would cost the driver as much as receiving it.
// Pieces are in order and do not overlap.
type pieceCheck struct {
	pieces []Piece
	at     int64
	digest hash.Hash
	fault  error
}

func (c *pieceCheck) take(bytes []byte) {
	for len(bytes) > 0 && len(c.pieces) > 0 {
		piece := c.pieces[0]
		if skip := piece.At - c.at; skip > 0 {
			if skip > int64(len(bytes)) {
				skip = int64(len(bytes))
			}
			c.at += skip
			bytes = bytes[skip:]
			continue
		}
		if c.digest == nil {
			c.digest = sha256.New()
		}
		part := piece.At + piece.Bytes - c.at
		if part > int64(len(bytes)) {
			part = int64(len(bytes))
		}
		c.digest.Write(bytes[:part])
		c.at += part
		bytes = bytes[part:]
		if c.at == piece.At+piece.Bytes {
			c.compare(piece)
		}
	}
	c.at += int64(len(bytes))
}

func (c *pieceCheck) compare(piece Piece) {
	if found := hex.EncodeToString(c.digest.Sum(nil)); found != piece.Sha256 && c.fault == nil {
		c.fault = fmt.Errorf("%d bytes at %d have sha256 %s, wanted %s", piece.Bytes, piece.At, found, piece.Sha256)
	}
	c.digest = nil
	c.pieces = c.pieces[1:]
}

// end tells what was wrong once the whole body has passed.
func (c *pieceCheck) end() error {
	if c.fault == nil && len(c.pieces) > 0 {
		return fmt.Errorf("ended at %d, before the piece at %d", c.at, c.pieces[0].At)
	}
	return c.fault
}

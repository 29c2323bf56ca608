package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// answerTimeout bounds the silence of an engine, so that one that hangs fails the benchmark and does not stop it.
const answerTimeout = 60 * time.Second

var (
	endOfHead     = []byte("\r\n\r\n")
	contentLength = []byte("\r\ncontent-length:")
)

// conn is the part of a connection that an exchange needs.
type conn interface {
	io.ReadWriter
	SetReadDeadline(time.Time) error
}

// exchanger sends requests on one connection and reads the answers, one after the other. It does as little as it can for
// each; anything else than an answer with a Content-Length is an error.
type exchanger struct {
	conn   conn
	buffer []byte
	onHead func()
}

func newExchanger(c conn, bufferBytes int) *exchanger {
	return &exchanger{conn: c, buffer: make([]byte, bufferBytes)}
}

// get sends one request. The body goes to take piece by piece; the pieces are only valid during the call.
func (e *exchanger) get(request []byte, take func([]byte)) (status int, length int64, err error) {
	if _, err = e.conn.Write(request); err != nil {
		return 0, 0, err
	}
	filled, bodyAt := 0, 0
	for bodyAt == 0 {
		if filled == len(e.buffer) {
			return 0, 0, errors.New("the head of the answer does not end")
		}
		n, err := e.read(e.buffer[filled:])
		if err != nil {
			return 0, 0, err
		}
		filled += n
		if end := bytes.Index(e.buffer[:filled], endOfHead); end >= 0 {
			bodyAt = end + len(endOfHead)
		}
	}
	if status, length, err = parseHead(e.buffer[:bodyAt]); err != nil {
		return 0, 0, err
	}
	if e.onHead != nil {
		e.onHead()
	}
	return status, length, e.body(e.buffer[bodyAt:filled], length, take)
}

func (e *exchanger) body(piece []byte, left int64, take func([]byte)) error {
	for {
		if int64(len(piece)) > left {
			return errors.New("the answer is longer than its Content-Length")
		}
		take(piece)
		left -= int64(len(piece))
		if left == 0 {
			return nil
		}
		n, err := e.read(e.buffer)
		if err != nil {
			return err
		}
		piece = e.buffer[:n]
	}
}

func (e *exchanger) read(into []byte) (int, error) {
	n, err := e.conn.Read(into)
	if n > 0 {
		return n, nil
	}
	if err == nil || err == io.EOF {
		return 0, errors.New("connection closed before the answer was complete")
	}
	return 0, err
}

func parseHead(head []byte) (status int, length int64, err error) {
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, 0, fmt.Errorf("not an HTTP answer: %.80q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, fmt.Errorf("not an HTTP answer: %.80q", line)
	}
	_, rest, found := bytes.Cut(bytes.ToLower(head), contentLength)
	if !found {
		return 0, 0, fmt.Errorf("the answer has no Content-Length: %.80q", line)
	}
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
	if err != nil || length < 0 {
		return 0, 0, fmt.Errorf("the answer's Content-Length is %.40q", value)
	}
	return status, length, nil
}

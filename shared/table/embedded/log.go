package embedded

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"github.com/huitou/huitou/shared/table"
)

// The log is logMagic and then frames. A frame is a header of 16 bytes (the
// frame's magic, the length of its payload, the checksum of the payload, the
// checksum of the header before it) and a payload of records. A frame is one
// batch; it counts whole or not at all.
const (
	logMagic    = "huitou table 1\n\x00"
	frameMagic  = "\xfe\xf9\xfc\xfa" // no part of any UTF-8 text
	frameHeader = 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealFrame fills in the header of a frame.
func sealFrame(frame []byte) {
	payload := frame[frameHeader:]
	copy(frame, frameMagic)
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(frame[8:], crc32.Checksum(payload, castagnoli))
	binary.LittleEndian.PutUint32(frame[12:], crc32.Checksum(frame[:12], castagnoli))
}

// header reads a frame's header; ok tells whether it is one.
func header(b []byte) (length int, sum uint32, ok bool) {
	if string(b[:4]) != frameMagic || crc32.Checksum(b[:12], castagnoli) != binary.LittleEndian.Uint32(b[12:]) {
		return 0, 0, false
	}
	return int(binary.LittleEndian.Uint32(b[4:])), binary.LittleEndian.Uint32(b[8:]), true
}

// readLog gives every record of the log to restore and returns where the log
// ends, which is before a frame that was cut off by a crash. A bad frame that
// any good frame follows was not cut off by a crash: it is damage, and an
// error, because frames are written and synced strictly one after the other.
func readLog(file *os.File, path string, restore func(table.Key, *row)) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	end := info.Size()
	magic := make([]byte, min(end, int64(len(logMagic))))
	if _, err := file.ReadAt(magic, 0); err != nil && err != io.EOF {
		return 0, err
	}
	if string(magic) != logMagic {
		if strings.HasPrefix(logMagic, string(magic)) {
			return 0, nil // the crash came while the log was made
		}
		return 0, fmt.Errorf("%s is not a table log: bad magic at offset 0", path)
	}
	offset := int64(len(logMagic))
	var head [frameHeader]byte
	var payload []byte
	for end-offset >= frameHeader {
		if _, err := file.ReadAt(head[:], offset); err != nil {
			return 0, err
		}
		length, sum, ok := header(head[:])
		if !ok || int64(length) > end-offset-frameHeader {
			break
		}
		if cap(payload) < length {
			payload = make([]byte, length)
		}
		payload = payload[:length]
		if _, err := file.ReadAt(payload, offset+frameHeader); err != nil {
			return 0, err
		}
		if crc32.Checksum(payload, castagnoli) != sum {
			break
		}
		if err := readRecords(payload, restore); err != nil {
			return 0, fmt.Errorf("%s is damaged in the frame at offset %d: %w", path, offset, err)
		}
		offset += frameHeader + int64(length)
	}
	if at, err := findFrame(file, offset+1, end); err != nil {
		return 0, err
	} else if at >= 0 {
		return 0, fmt.Errorf("%s is damaged at offset %d: a bad frame, and good ones from offset %d on; restore the file from a backup", path, offset, at)
	}
	return offset, nil
}

// findFrame is the offset of the first good frame in a part of the file, -1 if
// there is none.
func findFrame(file *os.File, from, end int64) (int64, error) {
	const window = 1 << 20
	buf := make([]byte, window)
	for ; end-from >= frameHeader; from += window - frameHeader + 1 {
		n, err := file.ReadAt(buf, from)
		if err != nil && err != io.EOF {
			return 0, err
		}
		for at := 0; ; at++ {
			i := bytes.Index(buf[at:n], []byte(frameMagic))
			if i < 0 || n-at-i < frameHeader {
				break
			}
			at += i
			length, sum, ok := header(buf[at:])
			if !ok || int64(length) > end-from-int64(at)-frameHeader {
				continue
			}
			check := crc32.New(castagnoli)
			if _, err := io.Copy(check, io.NewSectionReader(file, from+int64(at)+frameHeader, int64(length))); err != nil {
				return 0, err
			}
			if check.Sum32() == sum {
				return from + int64(at), nil
			}
		}
	}
	return -1, nil
}

// readRecords gives every record of a payload to restore.
func readRecords(payload []byte, restore func(table.Key, *row)) error {
	rest := payload
	number := func() int {
		value, n := binary.Uvarint(rest)
		if n <= 0 || value > table.MaxWriteSize*2 {
			return -1
		}
		rest = rest[n:]
		return int(value)
	}
	for len(rest) > 0 {
		tag := rest[0]
		rest = rest[1:]
		if tag != recordPut && tag != recordDelete {
			return fmt.Errorf("unknown record %q", tag)
		}
		pk, sk, body := number(), number(), 0
		if tag == recordPut {
			body = number()
		}
		if pk < 1 || pk > table.MaxPK || sk < 1 || sk > table.MaxSK || body < 0 || pk+sk+body > len(rest) {
			return fmt.Errorf("a record with wrong lengths")
		}
		data := string(rest[:pk+sk+body])
		rest = rest[pk+sk+body:]
		key := table.Key{PK: data[:pk], SK: data[pk : pk+sk]}
		if tag == recordDelete {
			restore(key, nil)
			continue
		}
		size, ok := decodable(data[pk+sk:])
		if !ok {
			return fmt.Errorf("a record with wrong attributes")
		}
		restore(key, &row{
			data: data, size: uint32(size + table.KeySize(key)), hash: hash(key.PK),
			pkLen: uint16(pk), skLen: uint16(sk),
		})
	}
	return nil
}

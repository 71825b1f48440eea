package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats-server/v2/server"
)

// ErrKey says that the data folder and the key that Open was given do not belong together.
// Nothing in the folder has been changed.
var ErrKey = errors.New("store: wrong key")

// MinKey is the shortest Config.Key, in bytes.
const MinKey = 16

// encryptionFile, in the data folder, says that the folder is encrypted, and by it a key
// is checked before the NATS server touches a file.
const encryptionFile = "encryption.json"

// encryption is the content of encryptionFile.
type encryption struct {
	Cipher string `json:"cipher"`
	Check  string `json:"check"` // keyCheck of the key, in hexadecimal digits
}

const cipherName = "ChaCha20-Poly1305"

// keyCheck is a value by which a key is recognised and from which it cannot be computed. Keys
// of streams are HMACs of the same key over other texts, by the NATS server.
func keyCheck(key string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	_, _ = h.Write([]byte("openchat: check of the store's key"))
	return h.Sum(nil)
}

// checkKey finds out whether the folder opens with the key, "" for none. With a key and a folder
// that has no file yet that says so, write is set, and to be called.
func checkKey(dir, key string) (write func() error, err error) {
	state, err := readEncryption(dir)
	if err != nil {
		return nil, err
	}
	if state != nil {
		want, err := hex.DecodeString(state.Check)
		switch {
		case err != nil || state.Cipher != cipherName:
			return nil, fmt.Errorf("%w: %s is not one of this version, or damaged", ErrKey, filepath.Join(dir, encryptionFile))
		case key == "":
			return nil, fmt.Errorf("%w: the data folder %s is encrypted; give its key", ErrKey, dir)
		case !hmac.Equal(want, keyCheck(key)):
			return nil, fmt.Errorf("%w: the data folder %s is encrypted with another key; give that one", ErrKey, dir)
		}
		return nil, nil
	}
	encrypted, plain, err := streamsOf(dir)
	switch {
	case err != nil:
		return nil, err
	case key == "" && encrypted:
		return nil, fmt.Errorf("%w: the data folder %s is encrypted; give its key", ErrKey, dir)
	case key == "":
		return nil, nil
	case plain:
		// The server would encrypt such files one by one, each when it happens to read it, and the
		// disk would keep the plain text for as long as it likes.
		return nil, fmt.Errorf("%w: the data folder %s has been written without a key; name an empty one, or give no key", ErrKey, dir)
	}
	return func() error { return writeEncryption(dir, key) }, nil
}

func readEncryption(dir string) (*encryption, error) {
	text, err := os.ReadFile(filepath.Join(dir, encryptionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var state encryption
	if err := json.Unmarshal(text, &state); err != nil {
		state = encryption{} // checkKey refuses it
	}
	return &state, nil
}

// writeEncryption is complete or has not happened, also after a power cut.
func writeEncryption(dir, key string) error {
	text, err := json.Marshal(encryption{Cipher: cipherName, Check: hex.EncodeToString(keyCheck(key))}, json.Deterministic(true))
	if err != nil {
		return err
	}
	part := filepath.Join(dir, encryptionFile+".part")
	f, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, filepath.Join(dir, encryptionFile)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	_ = d.Sync() // not every file system can
	return nil
}

// streamsOf reports whether the folder has streams that are encrypted, and such that are not. Those
// that a killed process has left under their second names count too.
func streamsOf(dir string) (encrypted, plain bool, err error) {
	for _, root := range []string{server.JetStreamStoreDir, keptNames} {
		list, err := filepath.Glob(filepath.Join(dir, root, "*", "streams", "*", server.JetStreamMetaFile))
		if err != nil {
			return false, false, err
		}
		for _, meta := range list {
			_, err := os.Stat(filepath.Join(filepath.Dir(meta), server.JetStreamMetaFileKey))
			switch {
			case err == nil:
				encrypted = true
			case errors.Is(err, fs.ErrNotExist):
				plain = true
			default:
				return false, false, err
			}
		}
	}
	return encrypted, plain, nil
}

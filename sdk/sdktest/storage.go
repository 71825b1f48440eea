package sdktest

import (
	"maps"
	"sync"
)

// Storage is an sdk.Storage in memory: one tab's sessionStorage.
type Storage struct {
	mu   sync.Mutex
	m    map[string]string
	load error
	save error
}

// NewStorage returns the empty storage of a new tab.
func NewStorage() *Storage { return &Storage{m: map[string]string{}} }

// Copy returns the storage of a duplicated tab.
func (s *Storage) Copy() *Storage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Storage{m: maps.Clone(s.m)}
}

// Fail makes every Load return load, and every Save and Remove return save, from
// now on; nil for either mends it.
func (s *Storage) Fail(load, save error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load, s.save = load, save
}

// Content returns a copy of what is stored.
func (s *Storage) Content() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.m)
}

// Load implements sdk.Storage.
func (s *Storage) Load(key string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.load != nil {
		return "", s.load
	}
	return s.m[key], nil
}

// Save implements sdk.Storage.
func (s *Storage) Save(key, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.save != nil {
		return s.save
	}
	s.m[key] = value
	return nil
}

// Remove implements sdk.Storage.
func (s *Storage) Remove(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.save != nil {
		return s.save
	}
	delete(s.m, key)
	return nil
}

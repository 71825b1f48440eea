package wiretest

import (
	"reflect"
	"strconv"
	"time"
)

// Filler gives values that are not zero and that show where they came from, for golden
// records. Its functions make what the records of two packages have differently; each gets
// the name of the place.
type Filler struct {
	Time     func(name string) time.Time
	Duration func(name string) time.Duration
	Map      func(name string) map[string]string
}

// Fill fills v, and all that is in it. It panics at a kind that no record has.
func (f *Filler) Fill(v reflect.Value, name string) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(f.Time(name)))
		return
	case time.Duration:
		v.Set(reflect.ValueOf(f.Duration(name)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(`"` + name + `"`)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(len(name)))
	case reflect.Uint64:
		v.SetUint(uint64(1000 + len(name)))
	case reflect.Map:
		v.Set(reflect.ValueOf(f.Map(name)))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.Fill(v.Index(i), name+strconv.Itoa(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.Fill(v.Elem(), name)
	case reflect.Struct:
		for i := range v.NumField() {
			f.Fill(v.Field(i), name+"."+v.Type().Field(i).Name)
		}
	default:
		panic("no value for " + v.Type().String())
	}
}

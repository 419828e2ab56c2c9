package io.socketpass;

import java.io.Serializable;
import java.util.AbstractMap;
import java.util.AbstractSet;
import java.util.Arrays;
import java.util.ConcurrentModificationException;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;

/**
 * A map of a few members, in their order, for what is kept with every socket: it takes a quarter of the memory that a {@link
 * LinkedHashMap} takes, and looks at one name after the other.
 */
final class SmallMap extends AbstractMap<String, Object> implements Serializable {
  private static final long serialVersionUID = 1;
  private static final Object[] NOTHING = {};

  /** Names and values by turns. There is no room for more: when a member comes or goes, this is another array. */
  private transient Object[] members;

  SmallMap() {
    members = NOTHING;
  }

  /**
   * A map that has these members.
   *
   * @param members names, each once, and values by turns; the map's own from then on
   */
  SmallMap(Object[] members) {
    this.members = members;
  }

  @Override
  public int size() {
    return members.length / 2;
  }

  @Override
  public boolean containsKey(Object name) {
    return indexOf(name) >= 0;
  }

  @Override
  public Object get(Object name) {
    int index = indexOf(name);
    return index < 0 ? null : members[index + 1];
  }

  @Override
  public Object put(String name, Object value) {
    int index = indexOf(name);
    if (index >= 0) {
      Object before = members[index + 1];
      members[index + 1] = value;
      return before;
    }
    Object[] more = Arrays.copyOf(members, members.length + 2);
    more[members.length] = name;
    more[members.length + 1] = value;
    members = more;
    return null;
  }

  @Override
  public Object remove(Object name) {
    int index = indexOf(name);
    if (index < 0) {
      return null;
    }
    Object before = members[index + 1];
    removeAt(index);
    return before;
  }

  @Override
  public void clear() {
    members = NOTHING;
  }

  @Override
  public Set<Map.Entry<String, Object>> entrySet() {
    return new AbstractSet<>() {
      @Override
      public int size() {
        return SmallMap.this.size();
      }

      @Override
      public Iterator<Map.Entry<String, Object>> iterator() {
        return new Members();
      }
    };
  }

  private int indexOf(Object name) {
    for (int i = 0; i < members.length; i += 2) {
      if (Objects.equals(name, members[i])) {
        return i;
      }
    }
    return -1;
  }

  private void removeAt(int index) {
    Object[] fewer = Arrays.copyOf(members, members.length - 2);
    System.arraycopy(members, index + 2, fewer, index, fewer.length - index);
    members = fewer;
  }

  /** Stores that serialize what they keep need not know this class. */
  private Object writeReplace() {
    return new LinkedHashMap<>(this);
  }

  private final class Members implements Iterator<Map.Entry<String, Object>> {
    private Object[] seen = members;
    private int next;
    private boolean removable;

    @Override
    public boolean hasNext() {
      return next < seen.length;
    }

    @Override
    public Map.Entry<String, Object> next() {
      requireUnchanged();
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      removable = true;
      next += 2;
      return new Member(seen, next - 2);
    }

    @Override
    public void remove() {
      requireUnchanged();
      if (!removable) {
        throw new IllegalStateException();
      }
      removable = false;
      next -= 2;
      removeAt(next);
      seen = members;
    }

    private void requireUnchanged() {
      if (seen != members) {
        throw new ConcurrentModificationException();
      }
    }
  }

  /** Writes to the array that it was found in: the map's, as long as it has the same members. */
  private static final class Member implements Map.Entry<String, Object> {
    private final Object[] members;
    private final int index;

    Member(Object[] members, int index) {
      this.members = members;
      this.index = index;
    }

    @Override
    public String getKey() {
      return (String) members[index];
    }

    @Override
    public Object getValue() {
      return members[index + 1];
    }

    @Override
    public Object setValue(Object value) {
      Object before = members[index + 1];
      members[index + 1] = value;
      return before;
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Map.Entry<?, ?> entry
          && Objects.equals(getKey(), entry.getKey())
          && Objects.equals(getValue(), entry.getValue());
    }

    @Override
    public int hashCode() {
      return Objects.hashCode(getKey()) ^ Objects.hashCode(getValue());
    }

    @Override
    public String toString() {
      return getKey() + "=" + getValue();
    }
  }
}
